"""Pictures of what a net has learned and of what it makes of images: filters, feature maps, heat maps, neighbours, confusions.

mosaic.py       many small pictures in one, towers apart
filters.py      the weights of a layer
maps.py         the values of a blob
occlusion.py    which regions of an image a class depends on (Zeiler and Fergus 2014)
neighbours.py   the images whose features are nearest (Krizhevsky et al. 2012, figure 4)
show_page.py    the page of `netdef show`
confusion.py    which classes a test took for which
report_page.py  the page of `netdef test -o`
"""
