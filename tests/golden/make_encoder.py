#!/usr/bin/env python3
"""Writes the golden encoders: make_encoder.py [FOLDER]. Needs torch and transformers (4.36 with torch 1.13 was used);
the tests only read what is committed beside it.

Each folder is a tiny Hugging Face model with random weights (`config.json`, `model.safetensors`) and `golden.safetensors`:
token ids and segments of some windows behind each other, where each starts, and what `transformers` makes of them
(hidden states after the last layer, the vector the classifier sees, logits), run as one padded batch with its mask."""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, DistilBertConfig, DistilBertForSequenceClassification

LENGTHS = [1, 5, 33, 64, 70]


def stir(model: torch.nn.Module) -> None:
    """Larger than the usual start, so that no term is too small to be missed."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            norm = "layer_norm" in name.lower() or "layernorm" in name.lower()
            parameter.normal_(1.0 if norm and name.endswith("weight") else 0.0, 0.2)


def windows(vocabulary: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.long)
    segments, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        ids[row, :length] = torch.randint(0, vocabulary, (length,))
        segments[row, :length] = (torch.arange(length) > length // 2).long()
        mask[row, :length] = 1
    return ids, segments, mask


def packed(tensor: torch.Tensor) -> torch.Tensor:
    return torch.cat([tensor[row, :length] for row, length in enumerate(LENGTHS)]).float().contiguous()


def write(folder: pathlib.Path, model: torch.nn.Module, dtype: torch.dtype) -> None:
    stir(model)
    model.to(dtype).float().eval()  # the reference computes with what the file holds
    ids, segments, mask = windows(model.config.vocab_size)
    bert = model.config.model_type == "bert"
    extra = {"token_type_ids": segments} if bert else {}
    seen = []
    model.classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        out = model(ids, attention_mask=mask, output_hidden_states=True, **extra)
    folder.mkdir(parents=True, exist_ok=True)
    starts = [0]
    for length in LENGTHS:
        starts.append(starts[-1] + length)
    save_file(
        {
            "ids": packed(ids),
            "segments": packed(segments),
            "starts": torch.tensor(starts, dtype=torch.float32),
            "hidden": packed(out.hidden_states[-1]),
            "pooled": seen[0].contiguous(),
            "logits": out.logits.contiguous(),
        },
        folder / "golden.safetensors",
    )
    weights = {name: value.to(dtype).contiguous() for name, value in model.state_dict().items() if "position_ids" not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads(model.config.to_json_string())
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent / "encoder"
    torch.manual_seed(20261125)
    labels = {0: "success", 1: "failure", 2: "abstain"}
    small = DistilBertConfig(vocab_size=97, dim=48, n_layers=3, n_heads=4, hidden_dim=80, max_position_embeddings=70, id2label=labels)
    write(root / "distilbert", DistilBertForSequenceClassification(small), torch.float32)
    other = BertConfig(vocab_size=83, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=136,
                       max_position_embeddings=72, type_vocab_size=2, layer_norm_eps=1e-5, num_labels=2)
    write(root / "bert", BertForSequenceClassification(other), torch.bfloat16)


if __name__ == "__main__":
    main()
