"""The gallery: every variant of the field that can be named here, as a spec for the 8x8 digits.

Data alone: ``aezoo.create(spec)`` builds each, ``model_cards/GALLERY.md`` shows them with their
papers, and tests/test_gallery.py trains them all. Needs no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.records import KINDS


@dataclass(frozen=True, slots=True)
class Example:
    """One variant."""

    name: str  # as people call it
    spec: str
    paper: str  # "kind name" of the component whose record cites it, or the citation itself
    weight_decay: float = 0.0  # where the variant is one of how it is trained
    data: str = "digits"  # or another set, where the variant needs what digits do not have
    labelled: int | None = None  # labels a class in training, where not all are there


def citation(example: Example) -> str:
    """The paper of an example, written out; "" where the component's record has none."""
    from aezoo import registry

    kind, _, name = example.paper.partition(" ")
    if kind not in KINDS:
        return example.paper
    (found,) = [r for r in registry.named(name) if r.kind == kind]
    return found.component.paper


_BENGIO = (
    "Bengio, Lamblin, Popovici, Larochelle, Greedy Layer-Wise Training of Deep Networks, NIPS 2006"
)
_SOHN = (
    "Sohn, Lee, Yan, Learning Structured Output Representation using Deep Conditional "
    "Generative Models, NIPS 2015"
)
_ROTATION = (
    "Fifty et al., Restructuring Vector Quantization with the Rotation Trick, 2024, "
    "arXiv:2410.06424"
)

GALLERY = (
    # -- autoencoders
    Example(
        "undercomplete autoencoder",
        "ae(mlp(64),point(8),mlp(64),input=(1,8,8))",
        "family ae",
    ),
    Example(
        "convolutional autoencoder",
        "ae(conv(16,32,hidden=64),point(8),deconv(32,16,hidden=64),input=(1,8,8))",
        "family ae",
    ),
    Example(
        "weight decay",
        "ae(mlp(64),point(8),mlp(64),input=(1,8,8))",
        _BENGIO,
        weight_decay=0.01,
    ),
    Example(
        "dropout autoencoder",
        "ae(mlp(64),dropout(32,p=0.2),mlp(64),input=(1,8,8))",
        "posterior dropout",
    ),
    Example(
        "noise-augmented decoding",
        "ae(mlp(64),noisy(16),mlp(64),input=(1,8,8))",
        "posterior noisy",
    ),
    Example(
        "sparse autoencoder, L1",
        "ae(mlp(64),point(100),mlp(64),objective=l1(0.1),input=(1,8,8))",
        "objective l1",
    ),
    Example(
        "sparse autoencoder, KL",
        "ae(mlp(64),point(100),mlp(64),objective=kl_sparse(0.05,weight=0.1),input=(1,8,8))",
        "objective kl_sparse",
    ),
    Example(
        "k-sparse autoencoder",
        "ae(mlp(64),topk(100,10),mlp(64),input=(1,8,8))",
        "posterior topk",
    ),
    Example(
        "contractive autoencoder",
        "ae(mlp(64,act=silu),point(8),mlp(64),objective=contractive(0.01),input=(1,8,8))",
        "objective contractive",
    ),
    Example(
        "denoising autoencoder, Gaussian noise",
        "ae(mlp(128),point(32),mlp(128),corruption=gaussian(0.3),input=(1,8,8))",
        "corruption gaussian",
    ),
    Example(
        "denoising autoencoder, masking",
        "ae(mlp(128),point(32),mlp(128),corruption=masking(0.25),input=(1,8,8))",
        "corruption masking",
    ),
    Example(
        "denoising autoencoder, salt and pepper",
        "ae(mlp(128),point(32),mlp(128),corruption=salt_and_pepper(0.25),input=(1,8,8))",
        "corruption salt_and_pepper",
    ),
    Example(
        "denoising autoencoder, speckle",
        "ae(mlp(128),point(32),mlp(128),corruption=speckle(0.3),input=(1,8,8))",
        "corruption speckle",
    ),
    Example(
        "RAE-L2",
        "ae(mlp(64),point(8),mlp(64),objective=rae,input=(1,8,8))",
        "objective rae",
        weight_decay=0.01,
    ),
    Example(
        "RAE-GP, gradient penalty",
        "ae(mlp(64),point(8),mlp(64,act=silu),objective=rae(gradient=0.001),input=(1,8,8))",
        "objective rae",
    ),
    Example(
        "WAE-MMD, inverse multiquadratics",
        "ae(mlp(64),point(8),mlp(64),prior=normal,objective=wae(kernel=imq),input=(1,8,8))",
        "objective wae",
    ),
    Example(
        "WAE-MMD, radial basis functions",
        "ae(mlp(64),point(8),mlp(64),prior=normal,objective=wae(kernel=rbf),input=(1,8,8))",
        "objective wae",
    ),
    Example(
        "adversarial autoencoder",
        "ae(mlp(64),point(8),mlp(64),prior=normal,objective=aae(critic=mlp(64,64)),input=(1,8,8))",
        "objective aae",
    ),
    Example(
        "principal component analysis",
        "ae(flatten,point(8),linear,objective=pca,input=(1,8,8))",
        "objective pca",
    ),
    # -- VAE
    Example(
        "VAE",
        "vae(mlp(64),gaussian(8),mlp(64),likelihood=bernoulli,input=(1,8,8))",
        "family vae",
    ),
    Example(
        "probabilistic PCA",
        "vae(flatten,gaussian(8),linear,likelihood=gaussian(learned),objective=ppca,input=(1,8,8))",
        "objective ppca",
    ),
    Example(
        "sigma-VAE, learned scale",
        "vae(mlp(64),gaussian(8),mlp(64),likelihood=gaussian(learned),input=(1,8,8))",
        "likelihood gaussian",
    ),
    Example(
        "VAE, a scale for each pixel",
        "vae(mlp(64),gaussian(8),mlp(64),likelihood=gaussian(pixel),input=(1,8,8))",
        "likelihood gaussian",
    ),
    Example(
        "VAE, absolute error",
        "vae(mlp(64),gaussian(8),mlp(64),likelihood=laplace,input=(1,8,8))",
        "likelihood laplace",
    ),
    Example(
        "VAE, mixture of logistics",
        "vae(mlp(64),gaussian(8),mlp(64),likelihood=logistic_mixture(3),input=(1,8,8))",
        "likelihood logistic_mixture",
    ),
    Example(
        "VAE with a latent map",
        "vae(res(16,depth=1,down=2),gaussian(2),unres(16,depth=1),input=(1,8,8))",
        "family vae",
    ),
    Example(
        "VAE of ConvNeXt blocks",
        "vae(convnext(32,depth=1,down=2),gaussian(2),unconvnext(32,depth=1),input=(1,8,8))",
        "encoder convnext",
    ),
    Example(
        "VAE on a timm backbone",
        "vae(timm(resnet10t,stage=1),gaussian(4),unres(16,depth=1),input=(1,8,8))",
        "encoder timm",
    ),
    Example(
        "beta-VAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=beta(4.0),input=(1,8,8))",
        "objective beta",
    ),
    Example(
        "KL annealing",
        "vae(mlp(64),gaussian(8),mlp(64),objective=annealing(100),input=(1,8,8))",
        "objective annealing",
    ),
    Example(
        "annealed capacity",
        "vae(mlp(64),gaussian(8),mlp(64),objective=capacity(10.0,gamma=5.0,steps=100),"
        "input=(1,8,8))",
        "objective capacity",
    ),
    Example(
        "free bits",
        "vae(mlp(64),gaussian(8),mlp(64),objective=free_bits(0.5),input=(1,8,8))",
        "objective free_bits",
    ),
    Example(
        "beta-TCVAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=btcvae(4.0),input=(1,8,8))",
        "objective btcvae",
    ),
    Example(
        "FactorVAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=factor(6.0,critic=mlp(64,64)),input=(1,8,8))",
        "objective factor",
    ),
    Example(
        "DIP-VAE-I",
        "vae(mlp(64),gaussian(8),mlp(64),objective=dip(1),input=(1,8,8))",
        "objective dip",
    ),
    Example(
        "DIP-VAE-II",
        "vae(mlp(64),gaussian(8),mlp(64),objective=dip(2),input=(1,8,8))",
        "objective dip",
    ),
    Example(
        "InfoVAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=infovae(20.0,alpha=0.5),input=(1,8,8))",
        "objective infovae",
    ),
    Example(
        "MMD-VAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=infovae(20.0,alpha=1.0),input=(1,8,8))",
        "objective infovae",
    ),
    Example(
        "IWAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=iwae(5),input=(1,8,8))",
        "objective iwae",
    ),
    Example(
        "MIWAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=miwae(2,3),input=(1,8,8))",
        "objective miwae",
    ),
    Example(
        "CIWAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=ciwae(5),input=(1,8,8))",
        "objective ciwae",
    ),
    Example(
        "PIWAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=piwae(2,3),input=(1,8,8))",
        "objective piwae",
    ),
    Example(
        "DReG",
        "vae(mlp(64),gaussian(8),mlp(64),objective=dreg(5),input=(1,8,8))",
        "objective dreg",
    ),
    Example(
        "VAE/GAN",
        "vae(mlp(64),gaussian(8),mlp(64),objective=vaegan(0.1,critic=patch(16,layers=1)),"
        "input=(1,8,8))",
        "objective vaegan",
    ),
    Example(
        "DFC-VAE",
        "vae(mlp(64),gaussian(8),mlp(64),objective=dfc(network=resnet10t,layers=(0,1),"
        "pretrained=false),input=(1,8,8))",
        "objective dfc",
    ),
    Example(
        "VAE, MS-SSIM",
        "vae(mlp(64),gaussian(8),mlp(64),objective=ms_ssim(window=3,weights=(0.5,0.5)),"
        "input=(1,8,8))",
        "objective ms_ssim",
    ),
    Example(
        "denoising VAE",
        "vae(mlp(64),gaussian(8),mlp(64),corruption=gaussian(0.3),input=(1,8,8))",
        "Im, Ahn, Memisevic, Bengio, Denoising Criterion for Variational Auto-Encoding "
        "Framework, 2015, arXiv:1511.06406",
    ),
    Example(
        "conditional VAE, one-hot label",
        "vae(mlp(64),gaussian(8),mlp(64),cond=label(10),input=(1,8,8))",
        _SOHN,
    ),
    Example(
        "conditional VAE, learned embedding",
        "vae(mlp(64),gaussian(8),mlp(64),cond=label(10,dim=4),input=(1,8,8))",
        _SOHN,
    ),
    Example(
        "conditional VAE, factors",
        "vae(mlp(64),gaussian(8),mlp(64),likelihood=bernoulli,cond=continuous(4),input=(1,64,64))",
        "condition continuous",
        data="sprites-pose",
    ),
    Example(
        "semi-supervised VAE, M2",
        "vae(mlp(64),gaussian(8),mlp(64),likelihood=bernoulli,cond=inferred(10,mlp(64)),"
        "objective=semi(10.0),input=(1,8,8))",
        "objective semi",
        labelled=10,
    ),
    Example(
        "conditional VAE, inpainting",
        "vae(mlp(64),gaussian(8),mlp(64),cond=half(left),input=(1,8,8))",
        "condition half",
    ),
    Example(
        "structured output prediction from a quadrant",
        "vae(mlp(64),gaussian(8),mlp(64),cond=quadrants,input=(1,8,8))",
        "condition quadrants",
    ),
    Example(
        "conditional VAE, super-resolution",
        "vae(res(16,depth=1,down=2),gaussian(2),unres(16,depth=1),cond=lowres(2),input=(1,8,8))",
        "condition lowres",
    ),
    Example(
        "planar flow posterior",
        "vae(mlp(64),planar(8,4),mlp(64),input=(1,8,8))",
        "posterior planar",
    ),
    Example(
        "radial flow posterior",
        "vae(mlp(64),radial(8,4),mlp(64),input=(1,8,8))",
        "posterior radial",
    ),
    Example(
        "inverse autoregressive flow posterior",
        "vae(mlp(64),iaf(8,2,32),mlp(64),input=(1,8,8))",
        "posterior iaf",
    ),
    Example(
        "Hamiltonian VAE",
        "vae(mlp(64),hamiltonian(8,3),mlp(64),likelihood=bernoulli,input=(1,8,8))",
        "posterior hamiltonian",
    ),
    Example(
        "VAE with a RealNVP prior",
        "vae(mlp(64),gaussian(8),mlp(64),prior=realnvp(4,32),input=(1,8,8))",
        "prior realnvp",
    ),
    Example(
        "VAE with a MAF prior",
        "vae(mlp(64),gaussian(8),mlp(64),prior=maf(2,32),input=(1,8,8))",
        "prior maf",
    ),
    Example(
        "VAE with an IAF prior",
        "vae(mlp(64),gaussian(8),mlp(64),prior=iaf(2,32),input=(1,8,8))",
        "prior iaf",
    ),
    Example(
        "VAE with a diffusion prior",
        "vae(mlp(64),gaussian(8),mlp(64),prior=diffusion(32,2,steps=50),input=(1,8,8))",
        "prior diffusion",
    ),
    Example(
        "latent diffusion over a map",
        "ae(res(16,depth=1,down=2),point(4),unres(16,depth=1),"
        "prior=diffusion(16,2,steps=50),input=(1,8,8))",
        "Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, 2022, "
        "arXiv:2112.10752",
    ),
    Example(
        "two-stage VAE",
        "vae(mlp(64),gaussian(8),mlp(64),prior=vae(hidden=64,depth=2),input=(1,8,8))",
        "prior vae",
    ),
    Example(
        "VampPrior",
        "vae(mlp(64),gaussian(8),mlp(64),prior=vamp(32),input=(1,8,8))",
        "prior vamp",
    ),
    Example(
        "VAE with a mixture-of-Gaussians prior",
        "vae(mlp(64),gaussian(8),mlp(64),prior=mog(10),input=(1,8,8))",
        "prior mog",
    ),
    Example(
        "Gumbel-softmax VAE",
        "vae(mlp(64),gumbel(8,4),mlp(64),input=(1,8,8))",
        "posterior gumbel",
    ),
    Example(
        "JointVAE",
        "vae(mlp(64),joint(gaussian(8),gumbel(1,10)),mlp(64),"
        "objective=joint_capacity(5.0,2.0,gamma=5.0,steps=100),input=(1,8,8))",
        "posterior joint",
    ),
    Example(
        "hyperspherical VAE",
        "vae(mlp(64),vmf(8),mlp(64),input=(1,8,8))",
        "posterior vmf",
    ),
    Example(
        "Poincare VAE",
        "vae(mlp(64),poincare(5),mlp(64),input=(1,8,8))",
        "posterior poincare",
    ),
    Example(
        "semantic hashing",
        "vae(mlp(64),bernoulli(32),mlp(64),input=(1,8,8))",
        "posterior bernoulli",
    ),
    Example(
        "semantic hashing with a MADE prior",
        "vae(mlp(64),bernoulli(32),mlp(64),prior=made(64),input=(1,8,8))",
        "prior made",
    ),
    Example(
        "semantic hashing with a NADE prior",
        "vae(mlp(64),bernoulli(32),mlp(64),prior=nade(64),input=(1,8,8))",
        "prior nade",
    ),
    Example(
        "autoencoder with an RNADE prior",
        "ae(mlp(64),point(8),mlp(64),prior=rnade(32,4),input=(1,8,8))",
        "prior rnade",
    ),
    Example(
        "binary concrete VAE",
        "vae(mlp(64),bernoulli(32,estimator=concrete,tau=0.67),mlp(64),input=(1,8,8))",
        "Maddison, Mnih, Teh, The Concrete Distribution, 2016, arXiv:1611.00712",
    ),
    Example(
        "PixelVAE",
        "vae(res(16,depth=1,down=2),gaussian(4),unres(16,depth=1),"
        "likelihood=pixelcnn(8,width=16,layers=2,levels=17),input=(1,8,8))",
        "likelihood pixelcnn",
    ),
    Example(
        "VAE with a PixelCNN++ decoder",
        "vae(res(16,depth=1,down=2),gaussian(4),unres(16,depth=1),"
        "likelihood=pixelcnnpp(8,width=16,layers=1,components=3),input=(1,8,8))",
        "likelihood pixelcnnpp",
    ),
    # -- codes
    Example(
        "VQ-VAE, moving averages",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),input=(1,8,8))",
        "quantizer vq",
    ),
    Example(
        "VQ-VAE with attention",
        "vqvae(resattn(16,depth=1,down=2),vq(32,8),unresattn(16,depth=1),input=(1,8,8))",
        "encoder resattn",
    ),
    Example(
        "VQ-VAE of vision transformers",
        "vqvae(vit(32,depth=2,patch=2),vq(32,8),unvit(32,depth=2,patch=2),input=(1,8,8))",
        "encoder vit",
    ),
    Example(
        "VQ-VAE, codebook by gradient",
        "vqvae(res(16,depth=1,down=2),vq(32,8,update=gradient),unres(16,depth=1),input=(1,8,8))",
        "quantizer vq",
    ),
    Example(
        "VQ-VAE, rotation trick",
        "vqvae(res(16,depth=1,down=2),vq(32,8,estimator=rotation),unres(16,depth=1),input=(1,8,8))",
        _ROTATION,
    ),
    Example(
        "DiVeQ",
        "vqvae(res(16,depth=1,down=2),diveq(32,8),unres(16,depth=1),input=(1,8,8))",
        "quantizer diveq",
    ),
    Example(
        "VQGAN",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),likelihood=laplace,"
        "objective=vqgan(critic=patch(16,layers=1),start=100,network=none),input=(1,8,8))",
        "objective vqgan",
    ),
    Example(
        "FSQ",
        "vqvae(res(16,depth=1,down=2),fsq(5,5,5),unres(16,depth=1),input=(1,8,8))",
        "quantizer fsq",
    ),
    Example(
        "QLAE, latent quantization",
        "vqvae(mlp(64),qlae(8,10),mlp(64),likelihood=bernoulli,input=(1,8,8))",
        "quantizer qlae",
        weight_decay=0.1,
    ),
    Example(
        "residual VQ",
        "vqvae(res(16,depth=1,down=2),rvq(2,32,8),unres(16,depth=1),input=(1,8,8))",
        "quantizer rvq",
    ),
    Example(
        "product quantization",
        "vqvae(res(16,depth=1,down=2),pq(2,32,8),unres(16,depth=1),input=(1,8,8))",
        "quantizer pq",
    ),
    Example(
        "l2-normalized codebook",
        "vqvae(res(16,depth=1,down=2),cosine_vq(32,8),unres(16,depth=1),input=(1,8,8))",
        "quantizer cosine_vq",
    ),
    Example(
        "SimVQ",
        "vqvae(res(16,depth=1,down=2),simvq(32,8),unres(16,depth=1),input=(1,8,8))",
        "quantizer simvq",
    ),
    Example(
        "LFQ",
        "vqvae(res(16,depth=1,down=2),lfq(6),unres(16,depth=1),input=(1,8,8))",
        "quantizer lfq",
    ),
    Example(
        "BSQ",
        "vqvae(res(16,depth=1,down=2),bsq(6),unres(16,depth=1),input=(1,8,8))",
        "quantizer bsq",
    ),
    Example(
        "residual FSQ",
        "vqvae(res(16,depth=1,down=2),rfsq(2,3,3,3),unres(16,depth=1),input=(1,8,8))",
        "quantizer rfsq",
    ),
    Example(
        "residual LFQ",
        "vqvae(res(16,depth=1,down=2),rlfq(2,6),unres(16,depth=1),input=(1,8,8))",
        "quantizer rlfq",
    ),
    Example(
        "SQ-VAE",
        "vqvae(res(16,depth=1,down=2),sqvae(32,8),unres(16,depth=1),input=(1,8,8))",
        "quantizer sqvae",
    ),
    Example(
        "VQ-VAE-2",
        "vqvae(levels(res(16,depth=1,down=2),res(16,depth=1,down=2)),levels(vq(32,8),vq(32,8)),"
        "unres(16,depth=1),input=(1,8,8))",
        "quantizer levels",
    ),
    Example(
        "VQ-VAE with a PixelCNN prior",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),prior=pixelcnn(16,layers=3),"
        "input=(1,8,8))",
        "prior pixelcnn",
    ),
    Example(
        "VQ-VAE with a MADE prior",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),prior=made(64),input=(1,8,8))",
        "prior made",
    ),
    Example(
        "VQ-VAE with a PixelCNN prior for each class",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),prior=pixelcnn(16,layers=3),"
        "prior_cond=label(10),input=(1,8,8))",
        "prior pixelcnn",
    ),
    Example(
        "VQ-VAE with a transformer prior",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),"
        "prior=transformer(32,layers=1,heads=2),input=(1,8,8))",
        "prior transformer",
    ),
    Example(
        "VQ-VAE with a PixelSNAIL prior",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),"
        "prior=pixelsnail(16,blocks=1,layers=1,keys=8,values=16),input=(1,8,8))",
        "prior pixelsnail",
    ),
    Example(
        "VQ-VAE with a PixelCNN++ prior",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),"
        "prior=pixelcnnpp(16,layers=1,down=1),input=(1,8,8))",
        "prior pixelcnnpp",
    ),
    Example(
        "VQ-VAE with a masked transformer prior",
        "vqvae(res(16,depth=1,down=2),vq(32,8),unres(16,depth=1),"
        "prior=maskgit(32,layers=1,heads=2,steps=6),input=(1,8,8))",
        "prior maskgit",
    ),
    Example(
        "VQ-VAE-2 with a PixelCNN prior a level",
        "vqvae(levels(res(16,depth=1,down=2),res(16,depth=1,down=2)),levels(vq(32,8),vq(32,8)),"
        "unres(16,depth=1),prior=levels(pixelcnn(16,layers=2),pixelcnn(16,layers=2),width=16),"
        "input=(1,8,8))",
        "prior levels",
    ),
    # -- hierarchies
    Example(
        "ladder VAE",
        "hvae(levels(mlp(64),mlp(64)),ladder(8,4,hidden=64),mlp(64),objective=annealing(100),"
        "input=(1,8,8))",
        "posterior ladder",
    ),
    Example(
        "top-down hierarchy, VDVAE",
        "hvae(levels(res(16,depth=1,down=2),res(16,depth=1,down=2)),"
        "topdown(2,1,dim=4,width=32,hidden=16),unres(16,depth=1),input=(1,8,8))",
        "posterior topdown",
    ),
    Example(
        "top-down hierarchy, NVAE",
        "hvae(levels(res(16,depth=1,down=2),res(16,depth=1,down=2)),"
        "nvae(1,1,dim=4,width=32,cells=1,expand=2),unres(16,depth=1),input=(1,8,8))",
        "posterior nvae",
    ),
)

#: Variants at the size of a paper, for other pictures: tests/test_hvae.py takes a step of each.
LARGE = (
    Example(
        "VDVAE of CIFAR-10, 43 levels",
        "hvae(levels(res(384,depth=11,hidden=96,down=1),res(384,depth=6,hidden=96,down=2),"
        "res(384,depth=6,hidden=96,down=2),res(384,depth=3,hidden=96,down=2),"
        "res(384,depth=3,hidden=96,down=4)),topdown(22,11,6,3,1,dim=16,width=384),"
        "unres(384,depth=0),likelihood=logistic_mixture(10),input=(3,32,32))",
        "posterior topdown",
    ),
    Example(
        "NVAE of CIFAR-10, 30 groups",
        "hvae(res(128,depth=2,down=2),nvae(30,dim=20,width=128),unres(128,depth=2),"
        "likelihood=logistic_mixture(10),input=(3,32,32))",
        "posterior nvae",
    ),
)
