// Between the grid's transform and the band's modes.

// The band's modes of a density from the transforms of its parts: the membrane's, if there is one,
// then the three of the interior, joined by the divergence theorem.
extern "C" __global__ void band_of_grid(
    long long count, int has_membrane, int has_interior, int size_z, int size_y, int size_x,
    int modes_z, int modes_y, int modes_x, const double *factors_z, const double *factors_y,
    const double *factors_x, const double *frequencies_z, const double *frequencies_y,
    const double *frequencies_x, const REAL *volume, const Complex *spectra, Complex *modes) {
    const int half_x = size_x / 2 + 1;
    const long long spectrum = (long long)size_z * size_y * half_x;
    EACH(index, count) {
        const int x = (int)(index % modes_x), y = (int)(index / modes_x % modes_y);
        const int z = (int)(index / modes_x / modes_y);
        // The band's negative modes come last on both grids.
        const long long row_z = z <= modes_z / 2 ? z : z + size_z - modes_z;
        const long long row_y = y <= modes_y / 2 ? y : y + size_y - modes_y;
        const Complex *at = spectra + (row_z * size_y + row_y) * half_x + x;
        const double factor = factors_z[z] * factors_y[y] * factors_x[x];
        double real = 0.0, imaginary = 0.0;
        if (has_membrane) {
            real = factor * at->real;
            imaginary = factor * at->imaginary;
            at += spectrum;
        }
        if (has_interior) {
            const double k[3] = {frequencies_z[z], frequencies_y[y], frequencies_x[x]};
            const double squared = k[0] * k[0] + k[1] * k[1] + k[2] * k[2];
            if (squared > 0.0) {
                const double outward = factor / (2.0 * PI * squared);
                for (int d = 0; d < 3; d++, at += spectrum) {
                    real -= outward * k[d] * at->imaginary;
                    imaginary += outward * k[d] * at->real;
                }
            } else {
                real += volume[0];
            }
        }
        modes[index] = {(REAL)real, (REAL)imaginary};
    }
}

// The cotangent at one mode, with the factors of the forward direction: for `axis` 0 to 2 those of
// the interior's component along it, otherwise the membrane's.
__device__ inline void cotangent_at(
    int z, int y, int x, int modes_y, int modes_x, int axis, const double *factors_z,
    const double *factors_y, const double *factors_x, const double *frequencies_z,
    const double *frequencies_y, const double *frequencies_x, const Complex *cotangent,
    double *real, double *imaginary) {
    const Complex at = cotangent[((long long)z * modes_y + y) * modes_x + x];
    const double factor = factors_z[z] * factors_y[y] * factors_x[x];
    *real = factor * at.real;
    *imaginary = factor * at.imaginary;
    if (axis < 0) return;
    const double k[3] = {frequencies_z[z], frequencies_y[y], frequencies_x[x]};
    const double squared = k[0] * k[0] + k[1] * k[1] + k[2] * k[2];
    const double inward = squared > 0.0 ? k[axis] / (2.0 * PI * squared) : 0.0;
    // Times -i: the adjoint of the divergence theorem.
    const double before = *real;
    *real = inward * *imaginary;
    *imaginary = -inward * before;
}

// The half spectrum whose real transform is the field that the cotangent pulls the masses with.
extern "C" __global__ void grid_of_band(
    long long count, int axis, int size_z, int size_y, int size_x, int modes_z, int modes_y,
    int modes_x, const double *factors_z, const double *factors_y, const double *factors_x,
    const double *frequencies_z, const double *frequencies_y, const double *frequencies_x,
    const Complex *cotangent, Complex *spectrum) {
    const int half_x = size_x / 2 + 1;
    EACH(index, count) {
        const int x = (int)(index % half_x), row_y = (int)(index / half_x % size_y);
        const int row_z = (int)(index / half_x / size_y);
        const int z = row_z <= modes_z / 2 ? row_z : row_z - size_z + modes_z;
        const int y = row_y <= modes_y / 2 ? row_y : row_y - size_y + modes_y;
        const bool inside = x < modes_x && z >= 0 && y >= 0 &&
            (row_z <= modes_z / 2 || z > modes_z / 2) && (row_y <= modes_y / 2 || y > modes_y / 2);
        double real = 0.0, imaginary = 0.0;
        if (inside) {
            cotangent_at(
                z, y, x, modes_y, modes_x, axis, factors_z, factors_y, factors_x, frequencies_z,
                frequencies_y, frequencies_x, cotangent, &real, &imaginary);
            if (x == 0) {
                // A real field's plane at zero is its own mirror image; beyond, the transform adds it.
                double mirror_real, mirror_imaginary;
                cotangent_at(
                    z ? modes_z - z : 0, y ? modes_y - y : 0, 0, modes_y, modes_x, axis, factors_z,
                    factors_y, factors_x, frequencies_z, frequencies_y, frequencies_x, cotangent,
                    &mirror_real, &mirror_imaginary);
                real += mirror_real;
                imaginary -= mirror_imaginary;
            }
        }
        spectrum[index] = {(REAL)(0.5 * real), (REAL)(0.5 * imaginary)};
    }
}
