"""Which examples a run is made of, and how they are read and divided."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_serializer, field_validator, model_validator

from aecore.model.columns import ColumnOptions
from aecore.model.parts.base import Options

ColumnName = Annotated[str, StringConstraints(max_length=1000)]
MAX_CHANNELS = 16  # of an image
# all of them were written before there was `columns`
EARLIER_FIELDS = {"name", "label", "missing", "unusable", "side", "split_seed", "binarise"}


class DataConfig(Options):
    """Which examples, and how they are divided."""

    name: str = Field(
        "digits", min_length=1, max_length=4096, description="A data set's name, or a path."
    )
    label: str | None = Field(
        None,
        max_length=1000,
        description="Table column that holds the class; never an input. By its name where not "
        "set; none where empty.",
    )
    columns: dict[ColumnName, ColumnOptions] = Field(
        {},
        max_length=100_000,
        description="How columns of a table are read, by their names: number, category, date ...",
    )
    inference: Literal["current", "earlier"] = Field(
        "current",
        description="Rules for the other columns; earlier: those of runs that do not say how their "
        "columns are read. Pictures of a .parquet were sorted by class then.",
    )
    pixels: Literal["numbers", "pictures"] = Field(
        "numbers",
        description="Read a table whose columns are pixels as rows of numbers, or as pictures.",
    )
    test_fraction: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of the examples held out for testing, where the set has no test split "
        "of its own.",
    )
    validation_fraction: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="Share of the training examples held out to choose the best epoch.",
    )
    missing: Literal["refuse", "keep"] = Field(
        "keep",
        title="Missing cells",
        description="keep: the model leaves missing cells of a table out of its loss. refuse: such "
        "a table is not read.",
    )
    unusable: Literal["refuse", "leave_out"] = Field(
        "leave_out",
        description="Odd files among images, and columns of keys or free text: left out with a "
        "note, or refused.",
    )
    side: Annotated[int, Field(ge=4, le=1024)] | Literal["auto"] | None = Field(
        "auto",
        description="Images of a folder or .zip are cropped to a square and resized to this: auto "
        "where sizes differ or are above 64; null keeps them as they are.",
    )
    greys: tuple[float, float] | None = Field(
        None,
        description="Values of images of more than 8 bits that become black and white; null for "
        "the range that they use.",
    )
    train_class: str | None = Field(
        None,
        max_length=256,
        description="Train on this class alone, the normal one; the test set keeps all classes.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        le=2**31,
        description="Seed of the division into training, validation and test examples.",
    )
    split_by: str | None = Field(
        None,
        max_length=1000,
        description="A column of a table or an array of a .npz, for example a person or a day: "
        "examples that share its value stay on one side of every division.",
    )
    limit: int | None = Field(
        None, ge=2, description="Largest number of training examples, and of test examples."
    )
    binarise: Literal["none", "static", "dynamic"] = Field(
        "none",
        description="Draw each pixel as 0 or 1, its grey value being the probability: once "
        "(static), or at every training step (dynamic).",
    )

    @model_validator(mode="before")
    @classmethod
    def recognise_earlier(cls, values: Any) -> Any:
        """Read a table without `columns`, as it was saved before there were any, as it was then."""
        if not isinstance(values, dict) or "columns" in values or not set(values) >= EARLIER_FIELDS:
            return values
        is_table = str(values["name"]).lower().endswith((".csv", ".parquet"))
        return {**values, "inference": "earlier"} if is_table else values

    @field_validator("columns", mode="before")
    @classmethod
    def name_kinds(cls, columns: Any) -> Any:
        """Let a kind alone stand for its options: `{"age": "number"}`."""
        if not isinstance(columns, dict):
            return columns
        return {
            name: {"kind": options} if isinstance(options, str) else options
            for name, options in columns.items()
        }

    @field_serializer("columns")
    def write_briefly(self, columns: dict[str, ColumnOptions]) -> dict[str, Any]:
        """Write a kind alone where there are no other options: a table may have many columns."""
        return {
            name: options.model_dump(mode="json", exclude_defaults=True)
            if options != ColumnOptions(kind=options.kind)
            else options.kind
            for name, options in columns.items()
        }
