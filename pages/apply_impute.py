"""Impute: missing cells of tables and holes in pictures, filled in from what is known."""

from __future__ import annotations

import streamlit as st

from aecore.errors import AecoreError
from aecore.tasks.impute import plan_imputer
from ui.apply_impute.pictures import show_picture_imputation
from ui.apply_impute.rows import show_row_imputation
from ui.kit.cache import get_dataset
from ui.kit.inputs import choose_inputs
from ui.kit.messages import show_error
from ui.kit.run_data import show_data_remark
from ui.kit.runs import IMPUTING, choose_run, takes_pictures
from ui.kit.task_page import offer_training

st.title("Impute")
st.markdown(
    "**Fill in missing values:** from the known part of the same example, with prediction "
    "intervals."
)
left, right = st.columns(2)
with left:
    run = choose_run(first="breast-cancer-imputer", task=IMPUTING)
try:
    dataset, remark = get_dataset(run)
    show_data_remark(run, remark)
    inputs = choose_inputs(run, dataset, right, keep_missing=True)
    show_imputation = show_picture_imputation if takes_pictures(run) else show_row_imputation
    show_imputation(run, dataset, inputs)
except AecoreError as error:
    show_error(error)
offer_training("Train an imputer", plan_imputer, "table")
