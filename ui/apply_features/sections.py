"""The sections of the Features page, of which one is shown at a time."""

from __future__ import annotations

from ui.apply_features.accuracy import show_feature_accuracy
from ui.apply_features.codes import show_code_table
from ui.apply_features.maps import show_feature_maps
from ui.apply_features.size import show_size_against_error

FEATURE_SENTENCES = {
    "Codes": "**A few numbers instead of many:** take the codes along as a table.",
    "Map": "**Two numbers for each input:** which map keeps true neighbours together?",
    "Accuracy": "**What can a simple classifier do with them?** Codes beside raw features and PCA.",
    "Code size": "**How large must the code be?** Error against the number of code units.",
}
SHOW_FEATURE_SECTION = {
    "Codes": show_code_table,
    "Map": show_feature_maps,
    "Accuracy": show_feature_accuracy,
    "Code size": show_size_against_error,
}
