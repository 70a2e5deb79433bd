import torch

from maskattn_models.plain_unet import PlainUNet


def test_its_parameters_are_those_of_the_comparison():
    with torch.device("meta"):
        network = PlainUNet(classes=11)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 1.23


@torch.inference_mode()
def test_logits_have_the_images_size():
    assert PlainUNet(classes=5).eval()(torch.zeros(2, 3, 32, 48)).shape == (2, 5, 32, 48)
