#!/usr/bin/env python3
"""Writes the golden training run: make_training.py [FOLDER]. Needs torch and transformers (4.36 with torch 1.13 was
used); the tests only read what is committed beside it.

`start.safetensors`: a tiny DistilBERT with masked-language and classification head. `golden.safetensors`: the labelled
windows (packed), and what torch makes of them: every gradient of the first step, the losses of each of six steps of
AdamW (decay on matrices only, warm-up, linear decay, clipping at 1), learning rates, gradient norms, and the weights
behind the last step."""
import pathlib
import sys

import torch
from safetensors.torch import save_file
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import (
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertForSequenceClassification,
    get_linear_schedule_with_warmup,
)

LENGTHS = [7, 3, 12, 1, 9]
STEPS, RATE, WARM_UP, DECAY, CLIP = 6, 1e-2, 2, 0.1, 1.0
LABELS = 4
# evidence, its weight, cause (-100 none), its weight, log (-1 none), its label, its weight
WINDOWS = [
    [1.0, 0.5, 2, 2.0, 0, 1.0, 1.0],
    [0.0, 1.5, -100, 0.0, -1, 0.0, 0.0],
    [0.3, 1.0, 0, 0.7, 0, 1.0, 1.0],
    [0.0, 0.0, 1, 1.0, 1, 0.0, 0.5],
    [1.0, 2.0, -100, 0.0, 1, 0.0, 0.5],
]


def losses(hidden_lm, logits, hidden_at, hidden_ids):
    table = torch.tensor(WINDOWS)
    masked = cross_entropy(hidden_lm[hidden_at[:, 0], hidden_at[:, 1]], hidden_ids)
    each = binary_cross_entropy_with_logits(logits[:, 0], table[:, 0], reduction="none")
    evidence = (each * table[:, 1]).sum() / table[:, 1].sum()
    known = table[:, 2] >= 0
    each = cross_entropy(logits[known, 1:], table[known, 2].long(), reduction="none")
    cause = (each * table[known, 3]).sum() / table[known, 3].sum()
    log, weight = 0.0, 0.0
    for number in (0, 1):
        rows = table[:, 4] == number
        label, own = table[rows, 5][0], table[rows, 6][0]
        log = log + own * binary_cross_entropy_with_logits(torch.logsumexp(logits[rows, 0], 0), label)
        weight += own
    return torch.stack([masked, evidence, cause, log / weight])


def main() -> None:
    torch.manual_seed(7)
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "training")
    folder.mkdir(parents=True, exist_ok=True)
    config = DistilBertConfig(
        vocab_size=50, max_position_embeddings=16, dim=16, n_layers=2, n_heads=2, hidden_dim=32, num_labels=LABELS,
        dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0,
    )
    masked = DistilBertForMaskedLM(config)
    classes = DistilBertForSequenceClassification(config)
    classes.distilbert = masked.distilbert
    named = dict(masked.named_parameters())
    named.update({k: v for k, v in classes.named_parameters() if not k.startswith("distilbert.")})
    named.pop("vocab_projector.weight", None)  # the word embeddings themselves
    with torch.no_grad():
        for name, parameter in named.items():
            norm = "layer_norm" in name.lower() or "layernorm" in name.lower()
            parameter.normal_(1.0 if norm and name.endswith("weight") else 0.0, 0.2)
    save_file({k: v.detach().clone().contiguous() for k, v in named.items()}, folder / "start.safetensors",
              metadata={"format": "pt"})

    ids = torch.zeros(len(LENGTHS), max(LENGTHS), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        ids[row, :length] = torch.randint(1, 50, (length,))  # 0 is padding: torch learns nothing for it
        mask[row, :length] = 1
    hidden_at = torch.tensor([[0, 1], [0, 6], [2, 0], [2, 11], [4, 4]])
    hidden_ids = torch.randint(0, 50, (len(hidden_at),))

    decays = [p for p in named.values() if p.dim() > 1]
    others = [p for p in named.values() if p.dim() == 1]
    optimiser = torch.optim.AdamW([{"params": decays, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}],
                                  lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    schedule = get_linear_schedule_with_warmup(optimiser, WARM_UP, STEPS)
    out, told, rates, norms = {}, [], [], []
    for step in range(STEPS):
        optimiser.zero_grad()
        four = losses(masked(ids, attention_mask=mask).logits, classes(ids, attention_mask=mask).logits, hidden_at,
                      hidden_ids)
        (four * torch.tensor([1.0, 0.8, 0.5, 0.7])).sum().backward()
        if step == 0:
            out.update({"gradient." + k: v.grad.clone().contiguous() for k, v in named.items()})
        rates.append(schedule.get_last_lr()[0])
        norms.append(torch.nn.utils.clip_grad_norm_(named.values(), CLIP).item())
        optimiser.step()
        schedule.step()
        told.append(four.detach())
    starts = [sum(LENGTHS[:i]) for i in range(len(LENGTHS) + 1)]
    out.update({"end." + k: v.detach().clone().contiguous() for k, v in named.items()})
    out["losses"] = torch.stack(told)
    out["rates"] = torch.tensor(rates)
    out["norms"] = torch.tensor(norms)
    out["windows"] = torch.tensor(WINDOWS)
    out["ids"] = torch.cat([ids[row, :length] for row, length in enumerate(LENGTHS)]).float()
    out["starts"] = torch.tensor(starts).float()
    out["hidden_rows"] = torch.tensor([starts[row] + at for row, at in hidden_at.tolist()]).float()
    out["hidden_ids"] = hidden_ids.float()
    save_file(out, folder / "golden.safetensors", metadata={"format": "pt"})


main()
