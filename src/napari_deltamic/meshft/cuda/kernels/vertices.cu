// Sum what the faces found at each vertex, always in the same order.
extern "C" __global__ void vertex_sums(
    long long count, const long long *order, const long long *starts, const REAL *corners,
    REAL *gradient) {
    EACH(v, count) {
        double sums[3] = {};
        for (long long j = starts[v]; j < starts[v + 1]; j++)
            for (int d = 0; d < 3; d++) sums[d] += corners[3 * order[j] + d];
        for (int d = 0; d < 3; d++) gradient[3 * v + d] = (REAL)sums[d];
    }
}
