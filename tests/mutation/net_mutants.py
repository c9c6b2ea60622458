"""Planted bugs in the recurrent and attention kernels, in their layers, and in the families made of them."""

from tests.mutation.checks import Mutant
from tests.mutation.source import edited
from tinygrad_lm.autograd import attention as attending
from tinygrad_lm.autograd import cells, normalisation, recurrent
from tinygrad_lm.models import recurrent as families
from tinygrad_lm.models import transformer, wavenet
from tinygrad_lm.nn import LayerNorm, attention, state
from tinygrad_lm.nn import normalisation as norms
from tinygrad_lm.nn import recurrent as layers
from tinygrad_lm.training import optimizing

PYTORCH = "test test_outputs_and_gradients_are_pytorchs"
PYTORCH_STATE = "test test_the_state_has_pytorchs_names_and_shapes"
ONES = "np.ones(num_features, dtype)"
STEPS = "test test_a_step_at_a_time_is_the_full_forward"


def kernel(name, function, *pieces, checks):
    return Mutant(name, edited(recurrent, function, *pieces), checks)


KERNELS = (
    kernel(
        "the LSTM writes by its forget gate",
        *("_lstm_forward", "np.multiply(i, content, out=written)", "np.multiply(f, content, out=written)"),
        checks=("row lstm",),
    ),
    kernel(
        "the forget gate learns from what is written",
        *("_lstm_backward", "to_switches *= terms", "to_switches *= terms[[0, 0, 2]]"),
        checks=("row lstm",),
    ),
    kernel(
        "the cell's gradient goes back by the input gate",
        *("_lstm_backward", "onto_cell *= f", "onto_cell *= i"),
        checks=("row lstm",),
    ),
    kernel(
        "the gates of a weight's gradient are in another order",
        *("_by_gate", "found[gates] = blocks", "found[gates[::-1]] = blocks"),
        checks=("row lstm",),
    ),
    kernel(
        "the first state is taken for 0",
        "_to_read",
        "read[:hidden, :n] = h0.T",
        "read[:hidden, :n] = 0",
        checks=("row rnn",),
    ),
    kernel(
        "sequences that ended learn nothing of their ends",
        *("_lstm_backward", "rows[columns + after - end : columns + end - start].T", "0"),
        checks=("row lstm",),
    ),
    kernel(
        "the reset gate is left out on the way back",
        *("_gru_backward", "np.multiply(to_new, reset, out=to_remembered)", "to_remembered[...] = to_new"),
        checks=("row gru",),
    ),
    kernel(
        "the GRU keeps what it renews",
        *("_gru_backward", "onto *= update", "onto *= 1 - update"),
        checks=("row gru",),
    ),
    kernel(
        "relu in a sequence has the slope of tanh",
        *("_rnn_backward", 'if nonlinearity == "tanh"', "if True"),
        checks=("kinks rnn",),
    ),
    Mutant("a GRU's gates are swapped", edited(cells, "gru_cell", "n + z * (h - n)", "h + z * (n - h)"), (PYTORCH,)),
    Mutant("an LSTM shows its cell", edited(cells, "lstm_cell", "o * np.tanh(cell)", "o * cell"), (PYTORCH,)),
    Mutant(
        "a mask hides what is seen",
        edited(attending, "_scores", "where=~mask", "where=mask"),
        ("row attention",),
    ),
    Mutant(
        "scores learn as if they were weights",
        edited(
            attending,
            "_attention_backward",
            '    scores -= np.einsum("...i,...i->...", scores, weights)[..., None]\n',
            "",
        ),
        ("row attention",),
    ),
    Mutant(
        "what was dropped learns",
        edited(
            attending,
            "_attention_backward",
            "if kept is not None:\n            scores *= kept",
            "if False:\n            pass",
        ),
        ("row attention",),
    ),
    Mutant(
        "the scale is left out on the way back",
        edited(attending, "_attention_backward", "scores *= scale", "scores *= 1"),
        ("row attention",),
    ),
    Mutant(
        "rows far below the largest are not shifted anew",
        edited(attending, "_weights", "> TINY.get(e.dtype, math.inf)", ">= 0"),
        ("kinks attention",),
    ),
    Mutant(
        "a query that sees nothing gives nan",
        edited(attending, "_weights", "np.where(totals == 0, 1, totals)", "totals"),
        ("kinks attention",),
    ),
    Mutant(
        "the root of a mean square without its row's part",
        edited(normalisation, "_rms_norm_backward", "row_means(h * normal)", "0"),
        ("row rms_norm",),
    ),
    Mutant(
        "a batch's mean is a constant",
        edited(normalisation, "_batch_norm_backward", "h.mean(axis=0) + ", ""),
        ("row batch_norm",),
    ),
)

MODULES = (
    Mutant(
        "what the last layer gives is dropped too",
        edited(layers._Layers, "_read", "layer < self.num_layers - 1", "True"),
        ("test test_dropout_lies_between_the_layers_in_training_alone",),
    ),
    Mutant(
        "gates are told of the state after them",
        edited(layers._Layers, "_gates", "zip(rows, before, strict=True)", "zip(rows, after, strict=True)"),
        ("test test_gates_are_those_that_make_the_states",),
    ),
    Mutant(
        "the axis of the batch comes first in the states too",
        edited(layers._Layers, "_read", "ends[:, 0] if single", "ends[0] if single"),
        ("test test_one_sequence_without_the_axis_of_the_batch",),
    ),
    Mutant(
        "a variance that is kept is biased",
        edited(norms, "_followed", " * (len(rows) / (len(rows) - 1))", ""),
        ("test TestBatchNorm.test_it_follows_the_batches_and_uses_what_it_kept",),
    ),
    Mutant(
        "without a momentum the last batch counts alone",
        edited(norms, "_followed", "np.divide(1, more)", "np.divide(1, np.ones(()))"),
        ("test TestBatchNorm.test_without_a_momentum_it_keeps_the_means_over_all_batches", PYTORCH),
    ),
    Mutant(
        "batches are not counted",
        edited(norms, "_followed", "counted, share = (more,)", "counted, share = (more - 1,)"),
        ("test TestBatchNorm.test_without_a_momentum_it_keeps_the_means_over_all_batches", PYTORCH),
    ),
    Mutant(
        "the count of batches is not saved",
        edited(norms.BatchNorm1d, "__init__", "if counted else None)", "if counted else None, persistent=False)"),
        ("test TestBatchNorm.test_the_means_over_all_batches_go_on_from_a_state", PYTORCH_STATE),
    ),
    Mutant(
        "PyTorch's count of batches is refused",
        edited(state, "_spare", 'getattr(slot.owner, "_spare", ())', "()"),
        ("test TestBatchNorm.test_the_count_in_pytorchs_states_is_left_out", PYTORCH),
    ),
    Mutant(
        "a count of batches is left out for every module",
        edited(state, "_spare", 'getattr(slot.owner, "_spare", ())', '("num_batches_tracked",)'),
        ("test TestBatchNorm.test_the_count_in_pytorchs_states_is_left_out",),
    ),
    Mutant(
        "a batch has its statistics followed though they are not kept",
        edited(norms.BatchNorm1d, "__init__", "np.zeros(num_features, dtype) if track_running_stats else None", ONES),
        ("test TestBatchNorm.test_without_running_statistics_those_of_the_batch_are_used_in_evaluation", PYTORCH_STATE),
    ),
    *(
        Mutant(
            f"a bias that {kind.__name__} is to leave out is learned",
            edited(kind, "__init__", "affine and bias else None", "affine else None"),
            (f"test Test{kind.__name__.removesuffix('1d')}.test_without_a_bias", PYTORCH_STATE),
        )
        for kind in (norms.BatchNorm1d, LayerNorm)
    ),
    Mutant(
        "PyTorch's masks of heads are read as the function's",
        edited(attention.MultiheadAttention, "_seen", "~detach(mask) if", "detach(mask) if"),
        (PYTORCH,),
    ),
    Mutant(
        "padding is seen",
        edited(
            attention.MultiheadAttention,
            "_seen",
            "seen = ~padding[:, None, None]",
            "seen = ~padding[:, None, None] | True",
        ),
        ("test TestManyHeads.test_padding_is_not_seen",),
    ),
    Mutant(
        "the mask of causes shows the next place",
        edited(attention, "_joined", "causal_mask(*scores[-2:])", "np.tri(*scores[-2:], 1, dtype=bool)"),
        ("test TestTheFunction.test_a_change_behind_a_place_changes_nothing_there",),
    ),
    Mutant(
        "the second mask is forgotten",
        edited(attention, "_joined", "mask & causal if", "mask if"),
        ("test TestTheFunction.test_both_masks_count",),
    ),
    Mutant(
        "sines and cosines change places",
        edited(
            attention, "sinusoidal_positions", "np.sin(angles)", "np.cos(angles)", "np.cos(angles[", "np.sin(angles["
        ),
        ("test TestPlaces.test_the_sinusoids_of_the_lecture",),
    ),
    Mutant(
        "a turn mirrors",
        edited(attention, "rotary", "left * sine + right * cosine", "left * sine - right * cosine"),
        ("test TestPlaces.test_rotary_products_tell_the_distance_alone",),
    ),
)

FAMILIES = (
    Mutant(
        "a step forgets its place",
        edited(
            transformer.Transformer,
            "step",
            "self._embedded(tokens[:, None], state.seen.shape[1])",
            "self._embedded(tokens[:, None], 0)",
        ),
        (STEPS,),
    ),
    Mutant(
        "keys that are kept are turned once more from the start",
        edited(transformer.Block, "_attend", "0 if past is None else past[0].shape[2]", "0"),
        (STEPS,),
    ),
    Mutant(
        "a block looks ahead",
        edited(transformer.Block, "_attend", "is_causal=past is None", "is_causal=False"),
        ("test test_no_place_sees_what_comes_after",),
    ),
    Mutant(
        "a cache of some names is that of all",
        edited(transformer.Transformer, "select", "state.seen[rows]", "state.seen[: len(rows)]"),
        ("test test_a_part_of_the_names_goes_on_as_the_whole",),
    ),
    Mutant(
        "states of some names are those of the first",
        edited(families._Recurrent, "select", "[:, rows]", "[:, : len(rows)]"),
        ("test test_a_part_of_the_names_goes_on_as_the_whole",),
    ),
    Mutant(
        "a tied output has weights of its own",
        edited(transformer.Transformer, "__init__", "if not sizes.tie:", "if True:"),
        ("test TestSizesOfNets.test_a_tied_output_is_counted_once",),
    ),
    Mutant(
        "post-norm leaves out its second norm",
        edited(
            transformer.Block,
            "forward",
            "self.network_norm(x + self.dropout(self._network(x)))",
            "x + self.dropout(self._network(x))",
        ),
        ("test TestTransformer.test_a_block_is_the_formula_of_the_slide",),
    ),
    Mutant(
        "neighbours are fused across names",
        edited(
            wavenet._Level,
            "forward",
            "x.reshape(n * length // 2, 2 * width)",
            "x.swapaxes(0, 1).reshape(n * length // 2, 2 * width)",
        ),
        ("test test_neighbours_are_fused_level_by_level",),
    ),
    Mutant(
        "targets are never smoothed",
        edited(optimizing, "loss_of", "if not plan.label_smoothing:", "if True:"),
        ("test TestLabelSmoothing.test_targets_are_smoothed_in_training_and_not_in_validation",),
    ),
)

NET_MUTANTS = (*KERNELS, *MODULES, *FAMILIES)
