"""The passes that know no placement: lowering, fusion, memory, order."""
