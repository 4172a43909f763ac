"""Names that try to be more than text, and where they would be found on a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from streamlit.testing.v1 import AppTest

HOSTILE = [
    "![evil](http://evil.example/x.png)",
    "![evil](http&#58;&#47;&#47;evil.example&#47;x.png)",
    "[evil](http://evil.example)",
    "[evil][1] [1]: http://evil.example",
    "<http://evil.example>",
    "http://evil.example/?a=b",
    "www.evil.example/path",
    "evil@evil.example",
    "<img src=http://evil.example/x.png onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</p></div><h1>evil</h1>",
    "**evil** __evil__ *evil* _evil_ ~~evil~~",
    "`evil` ```evil```",
    "# evil",
    "> evil",
    "- evil",
    "1. evil",
    "evil\n\n---\n\n# evil",
    "| evil | b |\n|---|---|\n| 1 | 2 |",
    "$\\href{http://evil.example}{evil}$ $$evil$$",
    ":red[evil] :blue-badge[evil] :small[evil]",
    ":help :streamlit: :material/bolt: :smile:",
    "evil -> evil <- evil -- evil >= 1",
    "&lt;b&gt; &amp; &#33; &copy;",
    "evil\u202egnp.exe \u2066x\u2069 \u200f",
    "\ud800evil\udfff",
    "evil\x00\x07\x1b[31m\x7f",
    "\"evil' \\ \\\\ %s {0} {{evil}} ${evil} <%= evil %>",
    '=HYPERLINK("http://evil.example","evil")',
    "---\nlicense: evil\n!!python/object:os.system",
    "../../../etc/passwd" + "/evil" * 400,
]
# All that fits into one name. A file and a folder hold no slash: Markdown decodes &#47; into one.
FILE_NAME = "![evil](&#47;&#47;h) <b>evil **evil** $evil$ :red[evil] www.evil.org x@evil.org"
COLUMN = "![evil](//h) <b>evil **evil** :material/bolt: http://evil.org `evil`"
CLASS_NAME = "![evil](//h) <i>evil *evil* $evil$ :blue-badge[evil] :material/bolt:"
FOLDER = CLASS_NAME.replace("/", "&#47;")
RUN_ID = "![evil](&#47;&#47;h) <b>evil **evil** $evil$ :red[evil] www.evil.org"

# What would be read as more than text, of these names, where a part of a page is Markdown ...
MARKUP = re.compile(
    r"(?<!\\)\[evil|<[bi]>|(?<!\\)\*evil|(?<!\\)\$evil|(?<!\\)`evil|:red\[|:blue-badge\[evil"
    r"|:material[/_]bolt|www\.evil|@evil|http://evil|&#"
)
# ... and where it is HTML, or takes some of it as Plotly does.
TAGS = re.compile(r"<[bi]>")
CODE_BLOCKS = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
PLAIN_FIELDS = {  # by Streamlit's messages: shown as text, or not at all
    "Selectbox": {"options", "raw_value"},
    "MultiSelect": {"options", "raw_values", "default"},
    "TextInput": {"value", "default", "placeholder"},
    "NumberInput": {"placeholder"},
    "Code": {"code_text"},
    "Json": {"body"},
    "DownloadButton": {"url"},
    "PageLink": {"page", "query_string"},
    "Navigation": {"*"},
    "BidiComponent": {"*"},  # its scripts make text of names: see the tests of the explorer
    "ArrowData": {"*"},  # cells and names of columns are drawn on a canvas
    "Arrow": {"*"},
}
UNSEEN_FIELDS = {"id", "form_id", "key", "user_key", "page_script_hash", "url_path", "alt"}


def list_messages(app: AppTest) -> Iterator[Message]:
    """Yields the messages of all elements and blocks of a page."""
    stack: list[Any] = [app._tree]
    while stack:
        node = stack.pop()
        stack.extend(getattr(node, "children", {}).values())
        if isinstance(proto := getattr(node, "proto", None), Message):
            yield proto


def list_strings(message: Message) -> Iterator[tuple[str, str, str]]:
    """Yields (message, field, text) of all texts in a message and those inside it."""
    name = message.DESCRIPTOR.name
    for field, value in message.ListFields():
        values = value if field.is_repeated else [value]
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            if field.message_type.GetOptions().map_entry:
                values = [part for part in value.values() if isinstance(part, Message)]
            for part in values:
                yield from list_strings(part)
        elif field.type == FieldDescriptor.TYPE_STRING:
            yield from ((name, field.name, text) for text in values)


def list_texts(app: AppTest) -> list[str]:
    """Returns all texts of a page, shown or not."""
    return [text for m in list_messages(app) for _, _, text in list_strings(m)]


def find_markup(app: AppTest) -> list[str]:
    """Returns the texts of a page in which a hostile name is more than text."""
    found = []
    for name, field, text in (part for m in list_messages(app) for part in list_strings(m)):
        plain = PLAIN_FIELDS.get(name, set())
        if field in UNSEEN_FIELDS or field in plain or "*" in plain:
            continue
        pattern = TAGS if name in ("Html", "PlotlyChart") else MARKUP
        text = CODE_BLOCKS.sub("", text).replace("\\u003c", "<").replace("\\u003e", ">")
        if pattern.search(text):
            found.append(f"{name}.{field}: {text[:300]}")
    return found


def find_text(app: AppTest, secret: str) -> list[str]:
    """Returns the texts of a page, shown or not, that hold a secret."""
    strings = (part for message in list_messages(app) for part in list_strings(message))
    return [
        f"{name}.{field}: {text[:300]}"
        for name, field, text in strings
        if field != "id" and secret in text
    ]
