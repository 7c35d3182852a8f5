// Python binding of the alignment search: checks arguments, releases the GIL, copies nothing.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>

#include "align.hpp"

namespace nb = nanobind;

namespace {

using Scores = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Lengths = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Result = nb::ndarray<std::int32_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void require(bool good, const std::string &message) {
    if (!good) throw std::invalid_argument(message);
}

void check_lengths(const Scores &score, const Lengths &frames, const Lengths &phonemes) {
    const auto batch = score.shape(0);
    require(frames.shape(0) == batch && phonemes.shape(0) == batch,
            "lengths must have one entry an utterance: " + std::to_string(batch));
    for (std::size_t item = 0; item < batch; ++item) {
        const auto f = frames.data()[item], p = phonemes.data()[item];
        const std::string where = "utterance " + std::to_string(item) + ": ";
        require(f >= 0 && f <= static_cast<std::int64_t>(score.shape(1)),
                where + std::to_string(f) + " frames do not fit a score of " + std::to_string(score.shape(1)));
        require(p >= 0 && p <= static_cast<std::int64_t>(score.shape(2)),
                where + std::to_string(p) + " phonemes do not fit a score of " + std::to_string(score.shape(2)));
        require(p <= f && (p > 0 || f == 0), where + std::to_string(p) + " phonemes cannot be aligned to " + std::to_string(f) +
                                                 " frames; every phoneme needs at least one frame");
    }
}

void align(Scores score, Lengths frames, Lengths phonemes, Result phoneme_of_frame, Result durations,
           unsigned threads) {
    check_lengths(score, frames, phonemes);
    require(phoneme_of_frame.shape(0) == score.shape(0) && phoneme_of_frame.shape(1) == score.shape(1),
            "phoneme_of_frame must have the shape [utterances, frames] of the score");
    require(durations.shape(0) == score.shape(0) && durations.shape(1) == score.shape(2),
            "durations must have the shape [utterances, phonemes] of the score");
    nb::gil_scoped_release release;
    vits::align_batch(score.data(), score.shape(0), score.shape(1), score.shape(2), frames.data(), phonemes.data(),
                      phoneme_of_frame.data(), durations.data(), threads);
}

}  // namespace

NB_MODULE(_align, m) {
    m.doc() = "Monotonic alignment search over CPU tensors, without copies.";
    // noconvert: an implicit conversion would be a silent copy, and the results would be written to it and lost.
    m.def("align", &align, nb::arg("score").noconvert(), nb::arg("frame_lengths").noconvert(),
          nb::arg("phoneme_lengths").noconvert(), nb::arg("phoneme_of_frame").noconvert(),
          nb::arg("durations").noconvert(), nb::arg("threads") = 1,
          "Fill `phoneme_of_frame` [B, F] (padding -1) and `durations` [B, T] (padding 0) in place.\n\n"
          "Raises ValueError when an utterance has more phonemes than frames or a length does not fit.");
}
