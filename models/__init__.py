"""The networks, solver files and photographs that travel with netdef (installed as netdef.models)."""
