import subprocess
import sys


def test_plugins_are_listed_without_torch_and_sklearn():
    code = (
        "import sys, tasks; from harness.registry import Registry; r = Registry(); r.add_module(tasks, 'built in');"
        "[p.parameters for p in r];"
        "print(sorted({'torch', 'torchvision', 'sklearn', 'scipy', 'ray'} & sys.modules.keys()),"
        " r.names('dataset'), r.names('classifier'))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == (
        "[] ['cifar10', 'cifar100', 'digits-on-photos',"
        " 'image-folder', 'stl10', 'svhn', 'tiny-imagenet-200'] ['alexnet', 'imagenet-convnext-tiny',"
        " 'imagenet-resnet18', 'imagenet-resnet50', 'imagenet-vit-b-16', 'resnet18', 'timm', 'vgg16']\n"
    )
