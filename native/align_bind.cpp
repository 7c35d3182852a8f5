// Python binding of the alignment search: checks arguments, releases the GIL, copies nothing.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "align.hpp"

namespace nb = nanobind;

namespace {

using Scores = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;
using Lengths = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Result = nb::ndarray<std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void require(bool good, const std::string &message) {
    if (!good) throw std::invalid_argument(message);
}

void check_item(std::size_t item, std::int64_t frames, std::int64_t phonemes, std::int64_t most_frames,
                std::int64_t most_phonemes) {
    const bool inside = frames >= 0 && frames <= most_frames && phonemes >= 0 && phonemes <= most_phonemes;
    if (inside && phonemes <= frames && (phonemes > 0 || frames == 0)) return;
    const std::string where = "utterance " + std::to_string(item) + ": ";
    const std::string f = std::to_string(frames) + " frames", p = std::to_string(phonemes) + " phonemes";
    require(frames >= 0 && frames <= most_frames, where + f + " do not fit a score of " + std::to_string(most_frames));
    require(phonemes >= 0 && phonemes <= most_phonemes,
            where + p + " do not fit a score of " + std::to_string(most_phonemes));
    require(false, where + p + " cannot be aligned to " + f + "; every phoneme needs at least one frame");
}

void check(const Lengths &frames, const Lengths &phonemes, std::size_t batch, std::size_t most_frames,
           std::size_t most_phonemes) {
    require(frames.shape(0) == batch && phonemes.shape(0) == batch,
            "lengths must have one entry an utterance: " + std::to_string(batch));
    for (std::size_t item = 0; item < batch; ++item) {
        check_item(item, frames.data()[item], phonemes.data()[item], static_cast<std::int64_t>(most_frames),
                   static_cast<std::int64_t>(most_phonemes));
    }
}

const vits::Kernel &find_kernel(const std::string &name) {
    const auto &kernels = vits::kernels();
    if (name.empty()) return kernels.front();
    std::string here;
    for (const auto &kernel : kernels) {
        if (name == kernel.name) return kernel;
        here += std::string(here.empty() ? "" : ", ") + kernel.name;
    }
    throw std::invalid_argument("this CPU has no alignment kernel '" + name + "'; it has " + here);
}

void align(const Scores &score, const Lengths &frames, const Lengths &phonemes, const Result &phoneme_of_frame,
           const Result &durations, unsigned threads, const std::string &kernel_name) {
    check(frames, phonemes, score.shape(0), score.shape(1), score.shape(2));
    require(phoneme_of_frame.shape(0) == score.shape(0) && phoneme_of_frame.shape(1) == score.shape(1),
            "phoneme_of_frame must have the shape [utterances, frames] of the score");
    require(durations.shape(0) == score.shape(0) && durations.shape(1) == score.shape(2),
            "durations must have the shape [utterances, phonemes] of the score");
    const vits::Kernel &kernel = find_kernel(kernel_name);
    const vits::Batch batch{score.data(),    score.shape(0),  score.shape(1),          score.shape(2),
                            frames.data(),   phonemes.data(), phoneme_of_frame.data(), durations.data()};
    nb::gil_scoped_release release;
    vits::align_batch(kernel, batch, threads);
}

std::vector<std::string> kernel_names() {
    std::vector<std::string> names;
    for (const auto &kernel : vits::kernels()) names.emplace_back(kernel.name);
    return names;
}

}  // namespace

NB_MODULE(_align, m) {
    m.doc() = "Monotonic alignment search over CPU tensors, without copies.";
    // noconvert: an implicit conversion would be a silent copy, and the results would be written to it and lost.
    m.def("align", &align, nb::arg("score").noconvert(), nb::arg("frame_lengths").noconvert(),
          nb::arg("phoneme_lengths").noconvert(), nb::arg("phoneme_of_frame").noconvert(),
          nb::arg("durations").noconvert(), nb::arg("threads") = 1, nb::arg("kernel") = "",
          "Fill `phoneme_of_frame` [B, F] (padding -1) and `durations` [B, T] (padding 0) in place, both int64.\n\n"
          "`kernel` is one of `kernels()`; the first of them if it is not given.\n"
          "Raises ValueError when an utterance has more phonemes than frames or a length does not fit.");
    m.def("check", &check, nb::arg("frame_lengths").noconvert(), nb::arg("phoneme_lengths").noconvert(),
          nb::arg("utterances"), nb::arg("frames"), nb::arg("phonemes"),
          "Raise the ValueError that `align` would raise for lengths of a score of this shape.");
    m.def("kernels", &kernel_names, "Names of the kernels that this CPU can run, the fastest first.");
}
