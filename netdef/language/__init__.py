"""The language: text to protobuf messages that know where in the text each field stands."""
