// The closed-form sum of every face at every mode: no grid and no quadrature, but slow.
//
// The line through a face on which the phase is that of its middle corner cuts it into two
// triangles, whose areas are as the differences of phase on the two sides. Each has one phase at
// both ends of that line, so its integral is a function of one difference of phases. The two are
// added with positive weights: nothing cancels, however close or far apart the phases lie.

// Terms of the series that the precision needs where the difference of phases is below 1.
#define SERIES_TERMS (sizeof(REAL) == 8 ? 9 : 5)

__device__ inline Complex times(Complex a, Complex b) {
    return {
        a.real * b.real - a.imaginary * b.imaginary, a.real * b.imaginary + a.imaginary * b.real};
}

__device__ inline Complex mixed(REAL p, Complex a, REAL q, Complex b) {
    return {p * a.real + q * b.real, p * a.imaginary + q * b.imaginary};
}

// exp(-i angle).
__device__ inline Complex phasor(REAL angle) {
    REAL sine, cosine;
    sincos(angle, &sine, &cosine);
    return {cosine, -sine};
}

// Means over a triangle whose phase is 0 at both ends of its base and d at its apex: of
// exp(-i phase), and of that times the barycentric coordinate of the apex, or of an end.
struct Wedge {
    Complex whole, apex, end;
};

__device__ inline Wedge wedge(REAL d) {
    const REAL squared = d * d;
    // 2 (1 - cos d) / d^2, 2 (d - sin d) / d^3 and (1 - even) / d^2.
    REAL even, odd, rest;
    if (squared < 1) {
        odd = rest = 1;
        for (int n = SERIES_TERMS; n > 0; n--) {
            odd = 1 - odd * squared * (REAL)(1.0 / ((2 * n + 2) * (2 * n + 3)));
            rest = 1 - rest * squared * (REAL)(1.0 / ((2 * n + 3) * (2 * n + 4)));
        }
        odd *= (REAL)(1.0 / 3.0);
        rest *= (REAL)(1.0 / 12.0);
        even = 1 - rest * squared;
    } else {
        const Complex turn = phasor(d);
        const REAL inverse = 1 / squared;
        even = 2 * (1 - turn.real) * inverse;
        odd = 2 * (1 + turn.imaginary / d) * inverse;
        rest = (1 - even) * inverse;
    }
    const Complex whole = {even, -d * odd}, end = {odd, -d * rest};
    return {whole, mixed(1, whole, -2, end), end};
}

// Return the mean of exp(-2 pi i k.x) over a face; fill `parts` with the means of that times each
// corner's barycentric coordinate.
__device__ inline Complex face_mean(
    const REAL *corners, double k_z, double k_y, double k_x, Complex parts[3]) {
    // Far from the origin, single precision would lose the phases' fractions of a turn.
    double turns[3];
    for (int i = 0; i < 3; i++)
        turns[i] = k_z * corners[3 * i] + k_y * corners[3 * i + 1] + k_x * corners[3 * i + 2];
    const double lower = fmin(turns[0], turns[1]), upper = fmax(turns[0], turns[1]);
    const double low = fmin(lower, turns[2]), high = fmax(upper, turns[2]);
    const double middle = fmax(lower, fmin(upper, turns[2]));
    const REAL down = (REAL)(2.0 * PI * (low - middle)), up = (REAL)(2.0 * PI * (high - middle));
    const Wedge below = wedge(down), above = wedge(up);
    // Shares of the two triangles in the area.
    const REAL p = up > down ? -down / (up - down) : 0, q = 1 - p;

    const Complex phase = phasor((REAL)(2.0 * PI * (middle - rint(middle))));
    const Complex end = mixed(p, below.end, q, above.end);
    const Complex at_low = times(phase, mixed(p, below.apex, q, end));
    const Complex at_high = times(phase, mixed(q, above.apex, p, end));
    const Complex at_middle = times(phase, end);
    for (int i = 0; i < 3; i++)
        parts[i] = turns[i] == low ? at_low : turns[i] == high ? at_high : at_middle;
    return times(phase, mixed(p, below.whole, q, above.whole));
}

// What the divergence theorem makes of k, but for a factor of i.
__device__ inline double divergence(double k, double squared) {
    return squared > 0.0 ? k / (2.0 * PI * squared) : 0.0;
}

// The modes of a density; masses (4, faces): the membrane's, then the interior's along z, y, x.
extern "C" __global__ void direct_modes(
    long long count, int modes_y, int modes_x, const double *frequencies_z,
    const double *frequencies_y, const double *frequencies_x, long long face_count,
    const REAL *corners, const REAL *masses, const REAL *volume, Complex *modes) {
    EACH(index, count) {
        const double k_z = frequencies_z[index / modes_x / modes_y];
        const double k_y = frequencies_y[index / modes_x % modes_y];
        const double k_x = frequencies_x[index % modes_x];
        const double squared = k_z * k_z + k_y * k_y + k_x * k_x;
        const REAL by_z = (REAL)divergence(k_z, squared), by_y = (REAL)divergence(k_y, squared);
        const REAL by_x = (REAL)divergence(k_x, squared);
        double real = squared > 0.0 ? 0.0 : volume[0], imaginary = 0.0;
        for (long long f = 0; f < face_count; f++) {
            const REAL *mass = masses + f;
            const REAL interior = by_z * mass[face_count] + by_y * mass[2 * face_count] +
                by_x * mass[3 * face_count];
            Complex parts[3];
            const Complex mean = face_mean(corners + 9 * f, k_z, k_y, k_x, parts);
            const Complex found = times({mass[0], interior}, mean);
            real += found.real;
            imaginary += found.imaginary;
        }
        modes[index] = {(REAL)real, (REAL)imaginary};
    }
}

// What the cotangent, taken as a field, is on each face: (15, chunks, faces), in each chunk the sums
// over its share of the modes. First the means with each corner's weight; then the means of the vector
// that the divergence theorem makes of the field; then the slopes of the first, corner by corner.
extern "C" __global__ void direct_field(
    long long count, long long face_count, int modes_z, int modes_y, int modes_x,
    const double *frequencies_z, const double *frequencies_y, const double *frequencies_x,
    const REAL *corners, const Complex *cotangent, double *sums) {
    const long long chunks = count / face_count, modes = (long long)modes_z * modes_y * modes_x;
    EACH(index, count) {
        const long long f = index % face_count, chunk = index / face_count;
        double values[3] = {}, inward[3] = {}, slopes[3][3] = {};
        for (long long m = modes * chunk / chunks; m < modes * (chunk + 1) / chunks; m++) {
            const double k[3] = {
                frequencies_z[m / modes_x / modes_y], frequencies_y[m / modes_x % modes_y],
                frequencies_x[m % modes_x]};
            const double squared = k[0] * k[0] + k[1] * k[1] + k[2] * k[2];
            Complex parts[3];
            face_mean(corners + 9 * f, k[0], k[1], k[2], parts);
            double turned = 0.0;
            for (int i = 0; i < 3; i++) {
                const Complex part = times({cotangent[m].real, -cotangent[m].imaginary}, parts[i]);
                values[i] += part.real;
                turned += part.imaginary;
                for (int d = 0; d < 3; d++) slopes[i][d] += 2.0 * PI * k[d] * part.imaginary;
            }
            for (int d = 0; d < 3; d++) inward[d] -= divergence(k[d], squared) * turned;
        }
        for (int i = 0; i < 3; i++) {
            sums[i * count + index] = values[i];
            sums[(3 + i) * count + index] = inward[i];
            for (int d = 0; d < 3; d++) sums[(6 + 3 * i + d) * count + index] = slopes[i][d];
        }
    }
}
