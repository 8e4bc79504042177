"""The passes that divide a net over devices, and those that only divided nets need."""
