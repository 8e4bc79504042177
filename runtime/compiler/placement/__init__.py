"""The passes that divide a net over devices."""
