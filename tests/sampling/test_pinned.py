"""Tests that a seed writes the names that it always wrote: whoever told a seed finds the same names by it."""

import numpy as np
import pytest

from tinygrad_lm.models import LSTM, MLP, Mixture, NGram, Transformer
from tinygrad_lm.sampling import Settings, samples
from tinygrad_lm.text import Vocabulary

NAMES = ["abid", "aabid", "zeel", "nipun", "meera", "a", "krishnamurthy"]
MARKED = ["राम", "सीता", "गीता", "किरण"]
TRIGRAM = NGram(3, 0.05).fit(NAMES)
NET = MLP(hidden=(8,), rng=0, dtype=np.float64)
MODELS = {
    "mlp": NET,
    "lstm": LSTM(embedding=4, hidden=8, rng=0, dtype=np.float64),
    "transformer": Transformer(context=4, width=8, heads=2, layers=1, rng=0, dtype=np.float64),
    "trigram": TRIGRAM,
    "mixture": Mixture([TRIGRAM, NET]),
    "marked letters": NGram(2, 0.5, Vocabulary.from_names(MARKED)).fit(MARKED),
}
SETTINGS = {
    "as learned": Settings(max_length=9),
    "temperature": Settings(0.4, max_length=9),
    "top-k": Settings(top_k=4, max_length=9),
    "top-p": Settings(1.7, top_p=0.6, max_length=9),
    "min-p": Settings(0.9, min_p=0.3, min_length=4, max_length=9),
}
WRITTEN = {
    ("mlp", "as learned"): "omjcqywid jypcqqdvm relhkvufk skzmdxvgj op",
    ("mlp", "temperature"): "onjbrywid jypcqqdvm rekhjuufk skzmdxvgj op",
    ("mlp", "top-k"): "hegatuwld fysetsjvf hchfgkvii hemueiyje hfvkyoo",
    ("mlp", "top-p"): "qpldozwhb hxqersetl rdijmvrei tk qqwsvvxzv",
    ("mlp", "min-p"): "omjcqywid jxpbqrevm qdlhkvufk rkymdxvgj oozsvszys",
    ("lstm", "as learned"): "pnkcrzxjd kzqcrrewn semilvugl tlzodywhj pq",
    ("lstm", "temperature"): "qqnctzzle mzrcttfyq tfokmxwin um qq",
    ("lstm", "top-k"): "zqqmz q ziqqu zq zz",
    ("lstm", "top-p"): "qqncuzykc mztcuugyq tgolnywio um qt",
    ("lstm", "min-p"): "omkcszxjd kyqbrsewo remilwvgl skzndywhj opzswt",
    ("transformer", "as learned"): "mlkcnwvjc izqdqscsn pfmhltsfl qj lm",
    ("transformer", "temperature"): "lhqdvuqkd ezuhsrbsq lgqfptpck lgzcevsld lmzlsryss",
    ("transformer", "top-k"): "lhmes ezzaqtcld lgqepllce lhzcevslk lmzlsqwsq",
    ("transformer", "top-p"): "lilbpvslc jzqdqscqp pepdjsscj pg ll",
    ("transformer", "min-p"): "lhmes jzmerrcpm ngqflssjk nhzcevski lizlsrysr",
    ("trigram", "as learned"): "lmjcrywid a meelrvufk niyndxvgj krzsvszys",
    ("trigram", "temperature"): "abid a aabid abid abid",
    ("trigram", "top-k"): "kribcddba a krishnamu meelcddbb krishnddc",
    ("trigram", "top-p"): "meebkpofc kribkkcni mdhegnmdg nhpiconef mgqlnlqpl",
    ("trigram", "min-p"): "krishnamu abid meel meel krishnamu",
    ("mixture", "as learned"): "mjjcrywid hyucqrevm nflhkvufk okzndxvgj mm",
    ("mixture", "temperature"): "abid a aabid gkzndwvgj ablsvszys",
    ("mixture", "top-k"): "kriesvxce a ngcqlrpej niwllvyig kryiysixs",
    ("mixture", "top-p"): "mljbpzwgc hxqbrqeto nellkwtfl onxmexvkl mnysvs",
    ("mixture", "min-p"): "krishnamu abid meel meel krishnamu",
    ("marked letters", "as learned"): "रतामकिर गी रागीताताम राम रम",
    ("marked letters", "temperature"): "राम गीरामगीता राता राम राम",
    ("marked letters", "top-k"): "राणणकिरता गीता राकिणगीण राण राम",
    ("marked letters", "top-p"): "राताणकिम गीरताकिममगीमता रागीणगीण राण राता",
    ("marked letters", "min-p"): "रामणकिरण गीतामकिरण रामताण रामसीता रामसीता",
}


@pytest.mark.parametrize(("model", "settings"), WRITTEN)
def test_a_seed_writes_the_names_that_it_always_wrote(model, settings):
    found = [sample.text for sample in samples(MODELS[model], SETTINGS[settings], 3, count=5)]
    assert " ".join(found) == WRITTEN[model, settings]
