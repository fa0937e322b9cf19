"""The quality of a dataset as one HTML file that needs nothing beside it."""

from pathlib import Path

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality import Quality
from turn_rl_ros.report.dataset_pictures import draw_dataset
from turn_rl_ros.report.dataset_text import number
from turn_rl_ros.report.page import render_page

TEMPLATE = "dataset.html.j2"


def write_dataset_page(data: Dataset, quality: Quality, name: str, target: Path) -> None:
    """Write the page to `target`; `name` is what the dataset is called on it. Raises TurnRlError."""
    page = render_dataset(data, quality, name)
    try:
        replace_file(target, page.encode())
    except OSError as error:
        raise TurnRlError(f"the page cannot be written to {target} ({error.strerror})") from error


def render_dataset(data: Dataset, quality: Quality, name: str) -> str:
    """The page as text."""
    pictures = [(picture, picture.png()) for picture in draw_dataset(data, quality)]
    return render_page(TEMPLATE, pictures, data=data, quality=quality, name=name, number=number)
