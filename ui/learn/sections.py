"""The frame of a lesson: which one is open, its parts in their order, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from aecore.errors import AecoreError
from ui.kit.links import select_linked, set_linked
from ui.kit.messages import show_error
from ui.kit.training_panel import offer_training_panel
from ui.learn.course import LESSONS
from ui.learn.lesson import Lesson

LESSON_KEY, ANSWERED_KEY = "lesson", "answered"  # in the address


def choose_lesson() -> Lesson:
    """Show the title, which lesson is open, and ways to the others; return it."""
    names = list(LESSONS)
    answered = read_answered()
    keep_answered(answered)
    titles = {name: format_lesson_title(name, answered) for name in names}
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    row.title("Learn", width="content")
    previous, following = row.empty(), row.empty()
    name = select_linked(
        row, f"Lesson ({len(answered)} of {len(names)} answered)", names, LESSON_KEY, titles
    )
    position = names.index(name)
    show_step(previous, "Previous", "arrow_back", names[max(0, position - 1)], position == 0)
    last = len(names) - 1
    show_step(following, "Next", "arrow_forward", names[min(last, position + 1)], position == last)
    return LESSONS[name]


def show_step(
    container: st.delta_generator.DeltaGenerator, label: str, icon: str, name: str, disabled: bool
) -> None:
    """Show a button that opens another lesson."""
    container.button(
        label,
        icon=f":material/{icon}:",
        key=f"learn-{label}",
        disabled=disabled,
        on_click=set_linked,
        args=(LESSON_KEY, name),
    )


def format_lesson_title(name: str, answered: Sequence[str]) -> str:
    """Returns a lesson's number and title, with a tick where its question was answered."""
    tick = " ✓" if name in answered else ""
    return f"{list(LESSONS).index(name) + 1}. {LESSONS[name].title}{tick}"


def show_lesson(lesson: Lesson) -> None:
    """Show a lesson: its sentence, the experiment, and beside it what explains it."""
    st.markdown(lesson.sentence)
    experiment, explanation = st.columns([5, 4], gap="medium")
    with experiment:
        st.fragment(run_experiment)(lesson)
    with explanation:
        st.markdown(f"**What to look at.** {lesson.look_at}")
        show_formula(lesson)
        show_question(lesson)
        page = lesson.next_page
        st.page_link(
            page.file,
            label=page.label,
            icon=":material/arrow_outward:",
            query_params=dict(page.parameters),
        )
        if lesson.source:
            st.caption(lesson.source)
    offer_training_panel(f"learn-{lesson.name}", lesson.variant)


def run_experiment(lesson: Lesson) -> None:
    """Show the experiment; what is wrong with its models is said in its place."""
    try:
        lesson.show_experiment()
    except AecoreError as error:
        show_error(error)


def show_formula(lesson: Lesson) -> None:
    """Show the formula, the names of its symbols under it, and their explanations on hover."""
    explanations = "\n".join(f"- ${tex}$: {text}" for tex, text in lesson.symbols.items())
    st.latex(lesson.formula, help=explanations)
    names = (f"${tex}$ {text.partition(':')[0]}" for tex, text in lesson.symbols.items())
    st.caption(" · ".join(names))


# -- the question


def show_question(lesson: Lesson) -> None:
    """Show the question, and its answer when it is asked for."""
    with st.container(border=True, gap="small"):
        st.markdown(f"**Question.** {lesson.question}")
        if lesson.name in read_answered():
            st.markdown(f"**Answer.** {lesson.answer}")
        else:
            st.button(
                "Show the answer",
                icon=":material/visibility:",
                key=f"answer-{lesson.name}",
                on_click=mark_answered,
                args=(lesson.name,),
            )


def read_answered() -> list[str]:
    """Returns the lessons whose answer was shown: in this session, or by the address."""
    linked = st.query_params.get(ANSWERED_KEY, "").split(",")
    known = {*linked, *st.session_state.get(ANSWERED_KEY, ())}
    return [name for name in LESSONS if name in known]


def mark_answered(name: str) -> None:
    """Remember that a lesson's answer was shown."""
    keep_answered([*read_answered(), name])


def keep_answered(names: Sequence[str]) -> None:
    """Keep the answered lessons in the session, for other pages come between, and the address."""
    st.session_state[ANSWERED_KEY] = list(names)
    if names:
        st.query_params[ANSWERED_KEY] = ",".join(names)
    else:
        st.query_params.pop(ANSWERED_KEY, None)
