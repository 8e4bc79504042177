"""`import netdef.pycaffe as caffe`: Caffe's Python interface.  See docs/pycaffe.md.

The code is in runtime/pycaffe, which runs nets: nothing else in netdef/ imports this module.
"""

from runtime.pycaffe.names import known_as

known_as(__name__)
