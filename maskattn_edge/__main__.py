"""`python -m maskattn_edge` is `maskattn-edge`."""

from maskattn_edge.cli.app import main

if __name__ == "__main__":
    main()
