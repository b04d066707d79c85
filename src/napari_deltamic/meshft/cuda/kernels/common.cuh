// What all kernels share. The loader joins the files of one purpose into one source and defines what
// they ask for:
//   REAL    float or double
//   WIDTH   nodes that a point is spread over along each axis
//   TERMS   coefficients of the spreading kernel's polynomials
// Every kernel is a loop over independent indices, so that one thread, or a plain C++ compiler, can
// run it too. Arrays of one entry for each axis run along z, y, x.

#define EACH(index, count)                                                              \
    for (long long index = (long long)blockIdx.x * blockDim.x + threadIdx.x; index < (count); \
         index += (long long)gridDim.x * blockDim.x)

#define PI 3.14159265358979323846
