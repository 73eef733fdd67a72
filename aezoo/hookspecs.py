"""The plugin API: one hook a kind, and this page is its documentation.

A plugin is a distribution with an entry point in the group ``aezoo``. The entry point's
*name* is the plugin's namespace, its value the module that implements the hooks:

    [project.entry-points.aezoo]
    acme = "acme_rvq.manifest"

    # acme_rvq/manifest.py
    import aezoo
    from aezoo.records import Capabilities, Component
    from acme_rvq.configs import RVQConfig

    @aezoo.hookimpl
    def aezoo_quantizers():
        yield Component("rvq", config=RVQConfig, target="acme_rvq.modules:RVQ",
                        summary="residual VQ", caps=Capabilities(discrete=True))

A spec then writes ``acme/rvq(8,1024)``. What holds for every hook:

- It takes no arguments and yields (or returns a list of) records from `aezoo.records`.
- It is cheap: the manifest, the configs and the hooks import no torch. A component's
  ``target`` is imported when it is first built, a data set's when it is first loaded.
- Names carry no namespace; the registry puts ``acme/`` in front. A name is given once
  within its kind. The core's names are without a prefix and cannot be shadowed.
- A component's ``config`` is a frozen dataclass: its fields are the arguments in a spec.
- ``version`` rises whenever the same weights would give other numbers; ``api`` is the
  version of this page that the record was written for.
- A name that shall go says so: ``deprecated="use acme/rvq2"`` warns whoever uses it. An old
  name is a second record with the same config and target.
- An error in a hook, or a record that is not as it must be, sets this plugin aside with
  its traceback (``aezoo plugins``) and harms no other.

Components are called by keyword and must build on torch's ``meta`` device, with weights in
parameters and persistent buffers alone. Shapes below leave out nothing but the batch:
``(C,*S)`` is the input, ``(F,*L)`` the encoder's output, ``(D,*L)`` the latent and ``P`` the
likelihood's channels, with one, two or three spatial axes ``S`` or ``L``.
"""

# A hook's specification has no body: pluggy only reads its name and arguments.
# pyright: reportReturnType=false

from __future__ import annotations

from collections.abc import Iterable

from pluggy import HookimplMarker, HookspecMarker

from aezoo.records import (
    Component,
    Dataset,
    FeatureRecord,
    FormatRecord,
    MetricRecord,
    ModelEntry,
)

hookspec = HookspecMarker("aezoo")
hookimpl = HookimplMarker("aezoo")

#: What a hook's records are, and the hook that gives them.
HOOKS = {
    "family": "aezoo_families",
    "encoder": "aezoo_encoders",
    "decoder": "aezoo_decoders",
    "posterior": "aezoo_posteriors",
    "quantizer": "aezoo_quantizers",
    "prior": "aezoo_priors",
    "likelihood": "aezoo_likelihoods",
    "condition": "aezoo_conditions",
    "corruption": "aezoo_corruptions",
    "objective": "aezoo_objectives",
    "critic": "aezoo_critics",
    "model": "aezoo_models",
    "dataset": "aezoo_datasets",
    "metric": "aezoo_metrics",
    "feature": "aezoo_features",
    "format": "aezoo_formats",
}


@hookspec
def aezoo_families() -> Iterable[Component]:
    """How parts make a model: ``ae``, ``vae``, ``hvae``, ``vqvae``.

    The core's own in api 1: a plugin that implements this hook is refused.
    """


@hookspec
def aezoo_encoders() -> Iterable[Component]:
    """Networks from the input to features: ``T(config, in_shape=(C,*S))``.

    Attributes ``in_shape`` and ``out_shape = (F,*L)``; ``forward(x (B,C,*S)) -> (B,F,*L)``.
    """


@hookspec
def aezoo_decoders() -> Iterable[Component]:
    """Networks from the latent to the likelihood's parameters.

    ``T(config, in_shape=(D,*L), out_shape=(P,*S))``;
    ``forward(z (B,D,*L)) -> params (B,P,*S)``. The last of its parameters with two axes or more
    is its last layer's: there an objective may weigh gradients against each other.
    """


@hookspec
def aezoo_posteriors() -> Iterable[Component]:
    """Continuous bottlenecks, q(z|x): ``T(config, in_shape=(F,*L))``.

    Attribute ``out_shape = (D,*L)``;
    ``forward(h, *, sample: bool, generator=None) -> aezoo.latents.Latent``. One whose z is a
    point, without a q, says so by ``deterministic = True``: a vae then has no bound. One whose
    z is one-hot in blocks of k channels says ``one_hot_of = k``, as a prior over such z does. One
    whose z fills no R^D says where it lies, ``space``, a text that its priors have as well:
    "sphere", or "bits", {0,1}^D. Log-probabilities are relative to that space's own measure,
    the same in q and in the prior. ``between(z0, z1, weight)`` is the way between two such z,
    where a line leads out of it. Its config may name the prior that a vae has by default:
    ``default_prior``, a spec's text.

    One that looks at what the model says of a z has ``reads_log_joint = True`` in its class and
    serves the family vae: ``forward(h, *, log_joint, sample, generator)``, where
    ``log_joint(z (B,D,*L)) -> (B,)`` is log p(x,z) in nats of the x at hand, under its condition.
    It may be called any number of times; `aezoo.components.log_joint.gradient` gives its gradient,
    under torch.no_grad as well. Where z is drawn together with something else, v, its q is an
    `aezoo.components.posteriors.augmented.Augmented`, which knows the draw's weight and no more:
    p(x,z) / exp(q.log_prob(z)) must be p(x) on average over the draws.

    A hierarchy, of the family hvae, has the prior of its latents in it and says so by
    ``own_prior = True`` in its class. ``T(config, in_shape, cond_dim)``, where ``cond_dim`` is
    the width E of the condition's embedding, or None, and ``in_shape`` one of each feature map
    if it also says ``several_levels = True``. ``forward(h, *, cond=None, sample, generator)``
    gives a Latent whose ``levels`` each have z, and q and p of independent normals, the level
    that is drawn first as the last; its own z is what the decoder reads. ``level_shapes`` are the
    shapes (D,*L) of the levels' z, and ``descend(noise, cond=None) -> Latent`` makes of each
    level's noise z = mean + sigma * noise of its p.
    """


@hookspec
def aezoo_quantizers() -> Iterable[Component]:
    """Discrete bottlenecks: ``T(config, in_shape=(F,*L))``.

    Attributes ``out_shape = (D,*L)`` and ``num_codes = K``;
    ``forward(h, *, sample=False, generator=None) -> aezoo.latents.Latent`` with codes
    ``(B,*L)`` in ``[0, K)``; ``lookup(codes) -> z (B,D,*L)``. Its record says
    ``caps=Capabilities(discrete=True)``.

    One that gives q codes a place, as residual quantizers do, has codes ``(B,q,*L)`` and the
    attribute ``code_shape = (q,*L)``; each of the q levels has codes ``[0, K)`` of its own.
    A prior is then built for ``(q,*L)``, and the rate is that of all q codes.
    """


@hookspec
def aezoo_priors() -> Iterable[Component]:
    """Distributions over latents or codes: ``T(config, shape, num_codes, cond_dim)``.

    Over codes ``shape = (*L,)``, or the quantizer's ``code_shape``, and ``num_codes = K``; over
    continuous latents ``shape = (D,*L)`` and ``num_codes = None``. ``cond_dim`` is the width E
    of the condition's embedding, or None.

    ``log_prob(z_or_codes, cond=None) -> (B,)`` in nats;
    ``sample(n, *, shape=None, cond=None, generator=None, temperature=1.0) -> (n,*shape)``;
    ``distribution()`` gives a torch Distribution of event shape ``shape`` where there is a
    closed form, else None.

    One that has no density in closed form and draws a bound says ``exact = False``: its
    ``log_prob(z_or_codes, cond=None, *, generator=None)`` is at most log p on average over the
    draws, so that the model's rate is at least the true one and its ELBO remains a bound. Over
    continuous latents exp(log_prob) is at most p on average too: ``model.log_prob(x, k=...)``
    weights by it. One of which that holds in evaluation alone, while a cheaper bound is drawn in
    training, says ``weighs_in_training = False``; objectives that weight refuse it.

    It may have more. ``attach(model)`` is called once with the built model, whose encoder it may
    use; it keeps the model out of its submodules. ``start(latents (N,D,*L))``, or codes, is
    called before a prior is fitted on a finished model's latents (codes of several levels are as
    many arguments), to begin near them; it may draw from torch's global generator. One over
    several parts of z says what each costs, ``rates(q, z, cond, generator) -> ((B,), ...)`` in
    nats: a vae adds them up and keeps them in `Latent.rates`.
    """


@hookspec
def aezoo_likelihoods() -> Iterable[Component]:
    """What the decoder's output means, p(x|z): ``T(config, shape=(C,*S))``.

    Attribute ``param_channels = P``; ``forward(params (B,P,*S))`` gives a torch
    Distribution of batch shape ``(B,)`` and event shape ``(C,*S)`` over x float32;
    its ``mean`` is the reconstruction. One without a closed mean raises NotImplementedError
    there, as torch's Distribution does, and takes ``sample(generator=...)``: a draw then stands
    for the mean. One over levels says which: ``levels``, a Tensor of the values that x has, and
    ``on_levels``, a text such as "256 mu-law levels". Attribute ``range``: what x lies in, [0,1]
    where it is not given, ``(-1.0, 1.0)`` for audio, None for any. Attribute ``density``: False
    where ``log_prob`` is a score and no log-density of the data; the model then has no bound.
    """


@hookspec
def aezoo_conditions() -> Iterable[Component]:
    """Embeddings of what a model is conditioned on: ``T(config)``.

    Attribute ``dim = E``; ``forward(y (B,)) -> (B,E)``; ``draw(n, *, device, generator=None)``
    gives n conditions at random, for samples that nobody chose a condition for.

    Its y are the data set's class labels, int64 (B,). One that reads k numbers, float32 (B,k), as
    the `factors` of a `aezoo.records.Dataset` are, says ``label_shape = (k,)``.

    One whose y is known from x has the method ``of(x (B,C,*S)) -> y`` and is built as
    ``T(config, in_shape=(C,*S))``; where it reads no labels it says ``label_shape = None``, and
    y may be of any shape. Its embedding may be a map, ``out_shape = (E,*S')`` in place of
    ``dim``. It may lack ``draw``: samples are then asked for with a condition each.

    One whose labels may be unknown, -1, or not given at all, has ``infer(x, y or None, *,
    generator=None) -> (y, nats (B,))``: labels drawn from q(y|x) where they are unknown, and what
    these cost, log q(y|x) - log p(y), which is a part of the pass' rate; 0 where they are known.
    ``classes`` and a uniform p(y) are its own.
    """


@hookspec
def aezoo_corruptions() -> Iterable[Component]:
    """What is done to the encoder's input in training, and in training alone: ``T(config)``;
    ``__call__(x (B,C,*S), *, generator=None) -> (B,C,*S)``. The target stays clean.
    """


@hookspec
def aezoo_objectives() -> Iterable[Component]:
    """What training minimises: ``T(config)``; ``__call__(model, x, output) -> Losses``.

    It may have more. ``attach(model)`` is called once with the built model, whose shapes it may
    need. ``critic`` is a module that is trained against the model, in turns with it, to lower
    ``critic_losses(model, x, output) -> Losses``, at the rate ``critic_lr``; it is kept in
    checkpoints and is no part of the model. ``schedule(step, total)`` is called before each
    step of training, here and in every module of the model that has it. ``learns_labels = True``
    in its class says that a term of it trains the q(y|x) of a condition that infers its labels;
    a model with such a condition is built with no other objective.

    ``solve(model, batches, total)`` takes the place of steps of gradient where there is a closed
    form: it sets the model's weights from one pass over ``batches``, pairs (x, y) of this
    process's share of the rows; ``total(tensor)`` is a tensor's sum over the processes.
    """


@hookspec
def aezoo_critics() -> Iterable[Component]:
    """Networks that an objective trains against the model: ``T(config, in_shape=(C,*S))``;
    ``forward(x (B,C,*S)) -> (B,...)``, larger where x looks real.

    It may have ``features(x) -> tuple`` of what each layer gives, (B,...), the verdict of
    ``forward`` last: objectives that compare x and its reconstruction inside the critic read them.
    """


@hookspec
def aezoo_models() -> Iterable[ModelEntry]:
    """Pretrained models, which ``aezoo.create("acme/name", pretrained=True)`` loads.

    A plugin's entry says where its files are: ``repo`` and a pinned ``revision`` on the Hub,
    or ``folder`` in the plugin's own package. A repository may be another library's, where a
    plugin reads its format (`aezoo_formats`). A name may carry a tag: ``name.tag``; asked
    for without one, the first entry of that name is meant.
    """


@hookspec
def aezoo_datasets() -> Iterable[Dataset]:
    """Data sets; ``target`` is called with (dataset, split) and gives the rows.

    They are numpy arrays (N,C,*S) of the record's ``dtype``, and labels int64 (N,), or float32
    (N,k) where the record names k ``factors``:
    uint8 pixels, which models read as v/255 in [0,1], or int16 audio of ``rate`` values a
    second, read as v/32768 in [-1,1). A function ``fingerprint(dataset, split) -> str`` in the
    same module lets the decoded rows be kept in the cache for as long as its text is the same.
    """


@hookspec
def aezoo_metrics() -> Iterable[MetricRecord]:
    """What ``aezoo bench --metrics acme/name`` measures: ``T(**options)``.

    A subclass of `aezoo.metrics.base.Metric`, whose page says what it is given and what it
    keeps. Its options are written as in a spec: ``--metrics "acme/name(k=5000)"``.
    """


@hookspec
def aezoo_features() -> Iterable[FeatureRecord]:
    """Networks for ``fid(network=acme/name)``, whose figure is then ``fd-acme/name``.

    ``T(device)`` gives what ``aezoo.metrics.features.Extractor`` describes: called with images
    (B, C, H, W) float32 in [0,1] it gives features (B, D) float32.
    """


@hookspec
def aezoo_formats() -> Iterable[FormatRecord]:
    """Models of other libraries that ``aezoo.create("hf://org/name")`` and ``local:`` read.

    Where config.json is not aezoo's, the record that has its value of ``key`` among its
    ``kinds`` is asked: ``T(config, tensors) -> (spec, tensors)``. It is given the content of
    config.json as a dict and the tensors of ``weights`` by their names, memory-mapped; it says
    what spec the model is and gives the same tensors the names that they have in it. It raises
    `aezoo.errors.IncompatibleWeightsError` for what it cannot read.

    The rest is the core's: commits, checksums, and no file but safetensors. It builds the
    spec, turns floating-point tensors into the model's dtype, and accepts the weights only if
    all names and shapes are the model's.
    """
