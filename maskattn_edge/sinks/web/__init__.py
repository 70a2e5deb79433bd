"""`--web`: a live page of the run, served by the runtime itself, with the standard library."""

from maskattn_edge.sinks.web.address import DEFAULT_ADDRESS, Address, parse_address
from maskattn_edge.sinks.web.sink import WebSink

__all__ = ["DEFAULT_ADDRESS", "Address", "WebSink", "parse_address"]
