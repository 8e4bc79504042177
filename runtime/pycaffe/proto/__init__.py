"""caffe.proto: the messages of Caffe's files, as protobuf classes, in `caffe_pb2`."""
