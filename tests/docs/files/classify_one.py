import sys

import caffe
import numpy as np

net = caffe.Net(sys.argv[1], caffe.TEST)
net.params["conv1"][0].data[...] *= 0.5
image = np.linspace(0, 1, 784).reshape(1, 1, 28, 28)
net.blobs["data"].reshape(1, 1, 28, 28)
net.blobs["data"].data[...] = image
out = net.forward()
print(out["prob"].shape, net.blobs["conv1"].data.shape, list(net.params))
