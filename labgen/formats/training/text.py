"""`text`: the whole conversation as one text through a chat template, or a document as it is."""

from __future__ import annotations

import pyarrow as pa

from labgen.errors import UsageError
from labgen.formats.known import SHIPPED_TEMPLATES
from labgen.formats.training.base import Conversation, ExportFormat, RowShape

_COLUMNS = {"text": pa.string()}
_LLAMA_FACTORY = {"columns": {"prompt": "text"}}
_AXOLOTL = {"type": "completion", "field": "text"}


def _convert(conversation: Conversation) -> dict[str, object]:
    """A document has no turns to be told apart, and so no template."""
    if conversation.is_document:
        return {"text": conversation.document}
    if conversation.template is None:
        names = ", ".join(SHIPPED_TEMPLATES)
        raise UsageError(
            f"`text` needs --template for conversations: {names}, or the path of a Jinja chat template. Documents need "
            "none: `--only documents`."
        )
    return {"text": conversation.through_template(conversation.turns)}


FORMAT = ExportFormat(
    name="text",
    description="The whole conversation as one text, for trainers that apply no chat template; documents as they are, "
    "for continued pre-training.",
    plain=RowShape(_COLUMNS, _convert, _LLAMA_FACTORY, _AXOLOTL),
    templated=RowShape(_COLUMNS, _convert, _LLAMA_FACTORY, _AXOLOTL),
)
