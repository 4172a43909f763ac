"""Learn: ten short lessons, each an experiment with shipped models, a question and its answer."""

from __future__ import annotations

from ui.learn.sections import choose_lesson, show_lesson

show_lesson(choose_lesson())
