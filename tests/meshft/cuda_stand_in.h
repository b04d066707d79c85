// Stands in for CUDA when a plain C++ compiler builds the kernels: one thread runs every index.
#include <cmath>

#define __global__
#define __device__

struct Index {
    unsigned int x;
};
static const Index blockIdx = {0}, threadIdx = {0}, blockDim = {1}, gridDim = {1};

using std::ceil;
using std::floor;
using std::fmax;
using std::fmin;
using std::rint;
using std::sqrt;

template <class T>
inline T atomicAdd(T *at, T value) {
    const T before = *at;
    *at += value;
    return before;
}

template <class T>
inline void sincos(T angle, T *sine, T *cosine) {
    *sine = std::sin(angle);
    *cosine = std::cos(angle);
}
