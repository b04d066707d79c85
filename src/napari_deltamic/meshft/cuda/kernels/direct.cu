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

// What the divergence theorem makes of k, or of its product with a normal, but for a factor of i.
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

// The gradient of Re sum(conj(cotangent) * modes) in each face's corners, (F, 3, 3) per um, and in
// its densities. Interior: Hadamard's formula, exact once a closed mesh's corners are summed.
extern "C" __global__ void direct_gradients(
    long long count, int modes_z, int modes_y, int modes_x, const double *frequencies_z,
    const double *frequencies_y, const double *frequencies_x, const REAL *corners,
    const REAL *membrane, const REAL *jump, const double *volumes, const Complex *cotangent,
    REAL *by_corner, REAL *by_membrane, REAL *by_jump) {
    EACH(f, count) {
        const REAL *corner = corners + 9 * f;
        double edge[3][3], normal[3];
        for (int i = 0; i < 3; i++)
            for (int d = 0; d < 3; d++)
                edge[i][d] = (double)corner[3 * ((i + 2) % 3) + d] - corner[3 * ((i + 1) % 3) + d];
        for (int d = 0; d < 3; d++) {
            const int y = (d + 1) % 3, x = (d + 2) % 3;
            // Edges 2 and 1 run from corner 0 to 1, and from 2 to 0.
            normal[d] = edge[1][y] * edge[2][x] - edge[1][x] * edge[2][y];
        }
        const double doubled =
            sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);

        // The field that the cotangent pulls with, and its slope: means with each corner's weight.
        double values[3] = {}, slopes[3][3] = {}, pull = 0.0;
        const Complex *at = cotangent;
        for (int z = 0; z < modes_z; z++) {
            for (int y = 0; y < modes_y; y++) {
                for (int x = 0; x < modes_x; x++, at++) {
                    const double k[3] = {frequencies_z[z], frequencies_y[y], frequencies_x[x]};
                    const double squared = k[0] * k[0] + k[1] * k[1] + k[2] * k[2];
                    const double across = k[0] * normal[0] + k[1] * normal[1] + k[2] * normal[2];
                    Complex parts[3];
                    face_mean(corner, k[0], k[1], k[2], parts);
                    double turned = 0.0;
                    for (int i = 0; i < 3; i++) {
                        const Complex part = times({at->real, -at->imaginary}, parts[i]);
                        values[i] += part.real;
                        turned += part.imaginary;
                        for (int d = 0; d < 3; d++) slopes[i][d] += k[d] * part.imaginary;
                    }
                    pull -= divergence(across, squared) * turned;
                }
            }
        }

        const double mean = values[0] + values[1] + values[2];
        by_membrane[f] = (REAL)(0.5 * doubled * mean);
        by_jump[f] = (REAL)(0.5 * pull + cotangent[0].real * volumes[f]);
        for (int i = 0; i < 3; i++) {
            for (int d = 0; d < 3; d++) {
                const int y = (d + 1) % 3, x = (d + 2) % 3;
                const double widening = normal[y] * edge[i][x] - normal[x] * edge[i][y];
                double found = jump[f] * normal[d] * values[i];
                if (doubled > 0.0) {
                    const double moving = 2.0 * PI * doubled * slopes[i][d];
                    found += membrane[f] * (moving + mean * widening / doubled);
                }
                by_corner[9 * f + 3 * i + d] = (REAL)(0.5 * found);
            }
        }
    }
}
