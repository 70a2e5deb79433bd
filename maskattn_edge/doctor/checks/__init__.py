"""One check a file; `maskattn_edge.doctor.table` names them."""
