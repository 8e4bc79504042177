"""The findings of `netdef check`: a code that never changes its meaning, a title, and why it matters.

ND0xx: the text itself. ND1xx: the graph cannot be built. ND2xx: the graph can be built, and something about it is suspicious.
ND3xx: solver files. ND4xx: what cannot run here.
"""

from __future__ import annotations

CODES: dict[str, tuple[str, str]] = {
    "ND001": (
        "the text is not in the language",
        "A brace, quote, colon or name is missing or misplaced. The position is where reading could not go on; the cause may "
        "stand a little before it.",
    ),
    "ND002": (
        "a field or value that the schema does not know",
        "The field does not exist in that message, is given twice, or takes another kind of value. `netdef explain TYPE` lists "
        "the fields of a layer type with their defaults.",
    ),
    "ND003": (
        "an older format that cannot be brought up to date",
        "Files of Caffe's older formats are converted as they are read. Here two formats are mixed, or a setting has no "
        "counterpart today.",
    ),
    "ND004": (
        "a file that cannot be read",
        "There is no such file, or it holds something else: an image, an archive, text that is not UTF-8.",
    ),
    "ND005": (
        "an include or remove that does not work",
        "`include` names a file that is not there or that includes itself; `remove layer` names a layer that is not there; "
        "or a layer would replace several, that have one name between them in what is included.",
    ),
    "ND101": (
        "a blob that no layer makes",
        "Layers run in the order of the file, and each reads what layers before it made in the same phase. The name may be "
        "misspelt, made only further down, made only in the other phase, or in a circle.",
    ),
    "ND102": (
        "two layers of one name, and weights",
        "Weights are saved and loaded under the layer's name, so in each phase a name stands for one layer with weights; Caffe "
        "gives the first of several the weights of all. The train and the test version of a layer may share a name.",
    ),
    "ND103": (
        "a blob that is written twice",
        "A layer may write over a blob only in place, with the same name as bottom and as top. Otherwise the first value would "
        "be lost without anybody asking for it.",
    ),
    "ND104": (
        "the wrong number of bottoms or tops",
        "Each layer type reads and makes a certain number of blobs: a loss reads predictions and labels, a Concat any number.",
    ),
    "ND105": (
        "more param than parameters",
        "The first `param` is about the weights, the second about the biases. With `bias_term: false`, or in a layer type "
        "without weights, one too many means that a rate was meant for something that is not there.",
    ),
    "ND106": (
        "parameters of one name that cannot be one array",
        "Parameters with the same `param { name }` are one array: their shapes, rates and decays must agree.",
    ),
    "ND107": (
        "settings and shapes that do not fit",
        "A layer's rule for shapes cannot be met: a kernel larger than its input, a group that does not divide the channels, a "
        "size that is missing.",
    ),
    "ND108": (
        "a net that cannot be put together",
        "No layer takes part in this phase, rules contradict one another, or a type is unknown.",
    ),
    "ND109": (
        "an even local_size in LRN",
        "The window of a normalisation is centred on the channel that is normalised: it reaches equally far on both sides only "
        "if local_size is odd.",
    ),
    "ND110": (
        "a pooling window wholly in the padding",
        "With pad as large as the kernel, the first window covers nothing of the image: there is no largest element, and a mean "
        "of zeros at best.",
    ),
    "ND111": (
        "a filler that there is not",
        "The type of a filler is a name in quotes, one of those that `netdef explain FillerParameter.type` lists; only the "
        "gaussian one can be sparse. Training would stop before its first iteration, as it does in Caffe.",
    ),
    "ND201": (
        "a top that nothing reads",
        "A layer that makes several blobs is read for some of them, and nothing reads this one. Leave it out, or give "
        "it to a Silence layer to say that this is meant.",
    ),
    "ND202": (
        "a result that training does not use",
        "The layer runs in every training iteration and leads to no loss: time and memory for nothing. `test layer` keeps it "
        "to the phase where its result is looked at.",
    ),
    "ND203": (
        "a loss that no parameter reaches",
        "Nothing that the loss depends on can learn: there are no weights before it, their rates are all 0, or the gradient is "
        "stopped on the way (propagate_down: false, or a layer that has no gradient, such as ArgMax). The loss is a constant.",
    ),
    "ND204": (
        "weights that no loss reaches",
        "The layer has weights with a rate above 0, and no loss depends on them through layers that pass a gradient on: they "
        "stay as they were initialised.",
    ),
    "ND205": (
        "a blob that is overwritten while it is needed",
        "A layer works in place on a blob that another layer reads as well. Which value that layer sees depends on the order "
        "of the file; Caffe refuses such nets. netdef keeps both values, but a name that means two things is easily misread.",
    ),
    "ND206": (
        "in place where the gradient needs what is overwritten",
        "The backward pass of some layers needs what they read or what they made: a LRN its input, a Sigmoid its output. "
        "Overwriting it in place gives wrong gradients in Caffe, silently. netdef keeps a copy, so the memory is not saved.",
    ),
    "ND207": (
        "Dropout that never acts",
        "Dropout switches neurons off in training only; in testing it passes everything. Kept to the test phase, or with a "
        "ratio of 0, it does nothing.",
    ),
    "ND208": (
        "Accuracy in training only",
        "Accuracy is there to be measured on images that were not trained on. Kept to the train phase, it is computed at every "
        "iteration and no test reports it.",
    ),
    "ND209": (
        "weights that all start the same",
        "Without a weight_filler, weights start at the constant 0. All neurons of the layer then compute the same and get the "
        "same gradient, or none at all, and never become different. Give a weight_filler of type gaussian, xavier or msra.",
    ),
    "ND210": (
        "a softmax or sigmoid taken twice",
        "SoftmaxWithLoss takes the softmax of its input itself, SigmoidCrossEntropyLoss the sigmoid. They want the raw scores; "
        "given probabilities, they learn slowly and badly.",
    ),
    "ND211": (
        "two linear layers in a row",
        "Two inner products without a nonlinearity between them compute what one could; their product is a single matrix. "
        "Unless the narrow one in the middle is meant to keep parameters few, a ReLU is missing.",
    ),
    "ND212": (
        "a bias that BatchNorm takes away",
        "BatchNorm subtracts the mean of each channel, and a constant added before it is gone. Set bias_term: false; the Scale "
        "layer after BatchNorm has the bias that counts.",
    ),
    "ND213": (
        "BatchNorm with statistics of the test batch",
        "use_global_stats: false in testing normalises with the mean and variance of each test batch: an image's result then "
        "depends on its neighbours. Leave the field out; it is false in training and true in testing by itself.",
    ),
    "ND214": (
        "a pooling window outside the image",
        "The stride is larger than the kernel, and the last window starts beyond the edge: it covers no pixel. Caffe's maximum "
        "over nothing is -3.4e38. round_mode: FLOOR drops that window.",
    ),
    "ND215": (
        "a convolution window wholly in the padding",
        "The pad is as large as the kernel, so windows at the border see zeros only: a frame of constant outputs. Half the "
        "kernel keeps the size of the image.",
    ),
    "ND216": (
        "settings of another layer type",
        "Each layer type reads only its own settings. A pooling_param in a Convolution, a transform_param in a layer that "
        "reads no images, or coeff in an Eltwise that takes the maximum, is ignored without a word. A setting of a fork that "
        "nothing here reads yet, such as SSD's noise_param, stops a run instead.",
    ),
    "ND217": (
        "train and test nets that disagree",
        "Layers of one name share their weights between training and testing. If their parameters have different shapes, the "
        "trained weights cannot be tested; if their settings differ, the test measures another net than was trained.",
    ),
    "ND218": (
        "weights only in testing",
        "The layer has weights and takes no part in training: testing uses what they were initialised with.",
    ),
    "ND219": (
        "chance in the test data",
        "Mirroring and shuffling are for training. In testing they make the result depend on chance (mirror), or cost time for "
        "nothing (shuffle).",
    ),
    "ND220": (
        "training images in a fixed order",
        "A list of images is often sorted by class. Read in that order, each batch holds one class and gradient descent "
        "forgets the others: set shuffle: true.",
    ),
    "ND221": (
        "defaults that hold for nothing",
        "`defaults TYPE` holds for the layers of that type below it. Here there is none: the defaults stand too far down, or "
        "for the wrong type.",
    ),
    "ND222": (
        "mean values that do not fit the channels",
        "mean_value is given once for all channels or once for each: three for colour images, in the order blue, green, red. "
        "mean_file and mean_value exclude each other.",
    ),
    "ND223": (
        "a loss that does not count",
        "With loss_weight 0 the loss is printed, and nothing learns from it; with a negative one, training makes it larger.",
    ),
    "ND224": (
        "an older format",
        "The file is in one of Caffe's older formats and was converted as it was read. `netdef fmt --to prototxt FILE` writes it "
        "in the present one.",
    ),
    "ND225": (
        "in place where Caffe cannot work in place",
        "Caffe refuses AbsVal, Flatten, Reshape and Split whose top is their bottom, and lets other layers that change the shape "
        "write over what they still read. netdef keeps both blobs; to run in Caffe as well, the layer needs a top of its own.",
    ),
    "ND226": (
        "sizes that only the data have",
        "A layer's shapes come from a database, an HDF5 file or a Python class: the net may be good, and what follows from its "
        "shapes is not checked; `netdef diff` compares all the rest, if it finds a size that fits. Every command that takes a net "
        "can be given them: --set NAME.transform_param.crop_size=28 (and --set NAME.transform_param.force_gray=true for images of "
        "one channel), or, for any layer that brings data, "
        "--set NAME.type=Input --set 'NAME.shape=[{dim: [64, 1, 28, 28]}, {dim: 64}]'. For the first net of a diff, "
        "`netdef convert` takes the same and writes a file.",
    ),
    "ND227": (
        "two layers of one name",
        "Caffe takes it, and so does netdef where none of them has weights, under names that tell them apart: relu, relu#2. It is "
        "often a layer that was copied and not renamed.",
    ),
    "ND228": (
        "a layer type that nobody here knows",
        "The type is neither one of Caffe 1.0 nor of the forks that netdef knows, and not a misspelling of one. The layer is kept "
        "as it stands: fmt, convert and diff carry it through, shapes and draw show ? for what it makes and for all behind it. "
        "Only a run needs more. `netdef layers` lists the types; a layer of your own has type: Python.",
    ),
    "ND229": (
        "a field that nobody here knows",
        "A fork of Caffe may have this field; netdef does not know what it does. It is kept as it stands. A net with such a field "
        "does not run, since its results might be others than the fork's, unless the field says only which code runs, with what "
        "precision or how fast (engine, forward_type ...): that has no effect here.",
    ),
    "ND230": (
        "a ReLU on the scores of a loss",
        "SoftmaxWithLoss and SigmoidCrossEntropyLoss take scores of either sign. Behind a ReLU none is below 0: all classes that "
        "should be unlikely get the same score, and no gradient.",
    ),
    "ND231": (
        "pixels that differ between training and testing",
        "The sources of both phases subtract other means, scale by another factor or decode to other channels. What was learned "
        "from the ones is then measured on the others.",
    ),
    "ND232": (
        "a bias that learns while its weights do not",
        "`param { lr_mult: 0 }` is about the weights. The bias has a param of its own, and without one it learns with lr_mult 1.",
    ),
    "ND233": (
        "a shared array that nothing shares",
        "`param { name }` makes one array of all parameters of that name. One that is named alone has an array of its own, as "
        "without a name.",
    ),
    "ND301": (
        "a solver that cannot run",
        "A field that the solver needs is missing, or a value is out of its range. `netdef explain SolverParameter` lists the "
        "fields.",
    ),
    "ND302": (
        "a decrease of the learning rate after the end",
        "The rate is lowered at stepsize or stepvalue, and training ends at max_iter before that: the rate never "
        "changes. Or it is warmed up (warmup_iter, rampup_interval) for as long as training takes.",
    ),
    "ND303": (
        "a net with tests that are never run",
        "The net measures accuracy in the test phase, and the solver gives no test_iter and test_interval: no test is ever run.",
    ),
    "ND304": (
        "tests only before training and at its end",
        "test_interval is larger than max_iter, or missing: no test is run while training goes on. netdef train runs one at the "
        "end; with a test_interval, also one before training, unless test_initialization is false.",
    ),
    "ND305": (
        "a setting that the learning-rate policy does not read",
        "Each lr_policy reads its own settings: step needs gamma and stepsize, multistep gamma and stepvalue, poly power and "
        "max_iter. Others are ignored without a word.",
    ),
    "ND306": (
        "a setting that the solver type does not read",
        "momentum2 is Adam's and AdamW's, rms_decay RMSProp's, delta that of AdaGrad, RMSProp, AdaDelta, Adam and AdamW; larc is "
        "for SGD and Nesterov. Others ignore it. Some settings are read only with another one: warmup_start_lr with warmup_iter, "
        "rampup_lr with rampup_interval, larc_eta with larc.",
    ),
    "ND307": (
        "a solver that learns nothing",
        "With base_lr 0 or max_iter 0 no weight changes.",
    ),
    "ND308": (
        "a number out of its usual range",
        "A momentum of 1 or more never forgets and grows without bound; a gamma above 1 raises the rate each time; a weight "
        "decay of 1 or more takes the weights away within a few iterations; with delta 0 a weight whose gradients were all 0 is "
        "divided by 0.",
    ),
    "ND309": (
        "a net without a loss in training",
        "Training makes a loss smaller. In the train phase this net has none: it may be the version for deployment, or its loss "
        "may be kept to the test phase.",
    ),
    "ND310": (
        "a setting that nothing acts on",
        "Forks of Caffe have solver settings of their own. Some act here too (warmup_iter, rampup_interval, larc, min_lr ...); "
        "the others are read, compared and kept in the file, and training goes on as if they were not there.",
    ),
    "ND401": (
        "a layer type that nothing here runs",
        "Shapes, costs and settings of the type are known, and there are no kernels for it. `netdef layers` lists those that "
        "run.",
    ),
    "ND402": (
        "a Python layer, which runs code of the user's",
        "Code of a file is run only where a command is given --allow-python.",
    ),
    "ND403": (
        "data that are not here",
        "The file or folder that a layer reads is not on this machine, or not under this name. `--data SOURCE` gives the net other "
        "images; `shapes`, `diff` and `draw` do without.",
    ),
    "ND404": (
        "a package that is not installed",
        "Databases and HDF5 files are read by packages of their own. The finding names the command that installs them.",
    ),
    "ND405": (
        "a file outside of the folder of the net or the solver",
        "The file names another one, as its include, source, mean_file, weights or snapshot_prefix, that lies elsewhere, links "
        "followed. That is usual of large data, and worth a look in files of others. With --inside, commands refuse it.",
    ),
}  # fmt: skip
