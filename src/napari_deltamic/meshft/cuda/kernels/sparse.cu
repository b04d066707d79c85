// Sparse matrices, row by row, times three columns: what the fit does on a mesh between transforms.

extern "C" __global__ void multiply_rows(
    long long count, const long long *starts, const long long *columns, const double *values,
    const double *x, double *product) {
    EACH(row, count) {
        double sums[3] = {};
        for (long long j = starts[row]; j < starts[row + 1]; j++)
            for (int d = 0; d < 3; d++) sums[d] += values[j] * x[3 * columns[j] + d];
        for (int d = 0; d < 3; d++) product[3 * row + d] = sums[d];
    }
}

// One step of Chebyshev's recurrence for a matrix whose eigenvalues lie in [-1, 1]: turns T(n-1) in
// `previous` into T(n+1), and adds it to the result.
extern "C" __global__ void chebyshev_step(
    long long count, const long long *starts, const long long *columns, const double *values,
    double *result, double coefficient, const double *current, double *previous) {
    EACH(row, count) {
        double sums[3] = {};
        for (long long j = starts[row]; j < starts[row + 1]; j++)
            for (int d = 0; d < 3; d++) sums[d] += values[j] * current[3 * columns[j] + d];
        for (int d = 0; d < 3; d++) {
            const double next = 2.0 * sums[d] - previous[3 * row + d];
            previous[3 * row + d] = next;
            result[3 * row + d] += coefficient * next;
        }
    }
}
