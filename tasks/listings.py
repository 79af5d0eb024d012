"""What is published under each data set's name; sizes and classes are those of the paper's Table 1.

The md5 sums are torchvision's; those of tiny-imagenet-200, and all sizes in bytes, are those that users report. The
digests were computed from PNG mirrors of CIFAR-10 and CIFAR-100 with the known means and deviations; those of the
others could not be.
"""

from __future__ import annotations

from collections.abc import Mapping

from tasks.published import Download, Expected


def _under(folder: str, files: Mapping[str, str | None]) -> dict[str, str | None]:
    return {f"{folder}/{name}": md5 for name, md5 in files.items()}


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


CIFAR10 = Expected(
    name="cifar10",
    title="CIFAR-10",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    downloads=(
        Download(
            name="cifar-10-python.tar.gz",
            md5="c58f30108f718f92721af3b95e74349a",
            bytes=170_498_071,
            url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        ),
    ),
    files=_under(
        "cifar-10-batches-py",
        {
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
            "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
    ),
    classes=10,
    train=50_000,
    test=10_000,
    side=32,
    names=_words("airplane automobile bird cat deer dog frog horse ship truck"),
    digest="db976ce8cca0985f46b9e1229b0ed2bfabafb043f2bfee5176eb4d59156565bc",
)

CIFAR100 = Expected(
    name="cifar100",
    title="CIFAR-100",
    home="https://www.cs.toronto.edu/~kriz/cifar.html",
    downloads=(
        Download(
            name="cifar-100-python.tar.gz",
            md5="eb9058c3a382ffc7106e4002c42a8d85",
            bytes=169_001_437,
            url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
        ),
    ),
    files=_under(
        "cifar-100-python",
        {
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            "meta": "7973b15100ade9c7d40fb424638fde48",
        },
    ),
    classes=100,
    train=50_000,
    test=10_000,
    side=32,
    names=_words(
        "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel "
        "can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur "
        "dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion "
        "lizard lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree "
        "pear pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea "
        "seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank "
        "telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
    ),
    digest="42af3beba723e6b74d0158f9427c4eb82daeb3a1b8d751be17f211bbe71e0310",
)

STL10 = Expected(
    name="stl10",
    title="STL-10",
    home="https://cs.stanford.edu/~acoates/stl10/",
    downloads=(
        Download(
            name="stl10_binary.tar.gz",
            md5="91f7769df0f17e558f3565bffb0c7dfb",
            bytes=2_640_397_119,
            url="http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        ),
    ),
    files=_under(
        "stl10_binary",
        {
            "train_X.bin": "918c2871b30a85fa023e0c44e0bee87f",
            "train_y.bin": "5a34089d4802c674881badbb80307741",
            "test_X.bin": "7f263ba9f9e0b06b93213547f721ac82",
            "test_y.bin": "36f9794fa4beb8a2c72628de14fa638e",
            "class_names.txt": None,
        },
    ),
    classes=10,
    train=5_000,
    test=8_000,
    side=96,
    names=_words("airplane bird car cat deer dog horse monkey ship truck"),
)

SVHN = Expected(
    name="svhn",
    title="SVHN",
    home="http://ufldl.stanford.edu/housenumbers/",
    downloads=(
        Download(
            name="train_32x32.mat",
            md5="e26dedcc434d2e4c54c9b2d4a06d8373",
            bytes=182_040_794,
            url="http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
        ),
        Download(
            name="test_32x32.mat",
            md5="eb5a983be6a315427106f1b164d9cef3",
            bytes=64_275_384,
            url="http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
        ),
    ),
    files={
        "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
    },
    classes=10,
    train=73_257,
    test=26_032,
    side=32,
    names=tuple("0123456789"),
)

TINY_IMAGENET = Expected(
    name="tiny-imagenet-200",
    title="tiny-imagenet-200",
    home="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
    downloads=(
        Download(
            name="tiny-imagenet-200.zip",
            md5="90528d7ca1a48142e341f4ef8d21d0de",
            bytes=248_100_043,
            url="http://cs231n.stanford.edu/tiny-imagenet-200.zip",
        ),
    ),
    files={"tiny-imagenet-200.zip": "90528d7ca1a48142e341f4ef8d21d0de"},
    classes=200,
    train=100_000,
    test=10_000,
    side=64,
)
