// From triangles to the grid.

// Grid values are summed as whole multiples of this: sums of integers do not depend on their order,
// so the same mesh gives the same modes, bit for bit.
#define STEPS_A_UNIT 4611686018427387904.0

// Choose each face's rule and number of cuts so that it costs the fewest points. A face with a corner
// that is no vertex counts as endless: nothing is read of it, and the caller hears of it.
extern "C" __global__ void cut_faces(
    long long count, long long vertex_count, const REAL *vertices, const long long *faces,
    const double *phase_scale, int rule_count, const double *largest_spread,
    const long long *rule_sizes, int *rule_of, int *cuts_of, long long *points_of) {
    EACH(f, count) {
        bool known = true;
        for (int i = 0; i < 3; i++)
            known = known && faces[3 * f + i] >= 0 && faces[3 * f + i] < vertex_count;
        double longest = known ? 0.0 : 1e300;
        for (int i = 0; i < 3 && known; i++) {
            const REAL *from = vertices + 3 * faces[3 * f + i];
            const REAL *to = vertices + 3 * faces[3 * f + (i + 1) % 3];
            double squared = 0.0;
            for (int d = 0; d < 3; d++) {
                const double step = ((double)to[d] - (double)from[d]) * phase_scale[d];
                squared += step * step;
            }
            longest = fmax(longest, squared);
        }
        longest = sqrt(longest);
        double best = 1e300;
        for (int rule = 0; rule < rule_count; rule++) {
            // More cuts than this no mesh can afford; the caller counts the points and refuses.
            const double cuts = fmin(fmax(1.0, ceil(longest / largest_spread[rule])), 1e6);
            const double cost = cuts * cuts * rule_sizes[rule];
            if (cost < best) {
                best = cost;
                rule_of[f] = rule;
                cuts_of[f] = (int)cuts;
                points_of[f] = (long long)cost;
            }
        }
    }
}

// Find each point's first node, the polynomials' arguments and its share of the face.
extern "C" __global__ void place_points(
    long long count, const int *face_of, const REAL *vertices, const long long *faces,
    const int *rule_of, const int *cuts_of, const long long *first, int most,
    const double *points, const double *weights, const long long *counts,
    const double *grid_scale, const int *sizes, int *nodes, REAL *arguments, REAL *shares) {
    const Rules rules = {most, points, weights, counts};
    EACH(p, count) {
        const long long f = face_of[p];
        double at[3];
        const double weight = quadrature_point(rules, rule_of[f], cuts_of[f], p - first[f], at);
        shares[p] = (REAL)weight;
        for (int d = 0; d < 3; d++) {
            double position = 0.0;
            for (int i = 0; i < 3; i++)
                position += at[i] * (double)vertices[3 * faces[3 * f + i] + d];
            position *= grid_scale[d];
            position -= sizes[d] * floor(position / sizes[d]);
            const double start = position - 0.5 * WIDTH, node = ceil(start);
            arguments[d * count + p] = (REAL)(2.0 * (node - start) - 1.0);
            nodes[d * count + p] = (int)node + (node < 0.0 ? sizes[d] : 0);
        }
    }
}

// Add the points' masses to the grids; one index for each point and each of its WIDTH^2 columns.
// Neighbouring threads take neighbouring nodes along x. Masses are normalised to a sum of 1.
extern "C" __global__ void spread(
    long long count, long long point_count, const int *face_of, const int *nodes,
    const REAL *arguments, const REAL *shares, int components, long long face_count,
    const REAL *masses, const REAL *coefficients, int size_z, int size_y, int size_x,
    unsigned long long *grids) {
    EACH(index, count) {
        const long long p = index / (WIDTH * WIDTH);
        const int column = (int)(index % (WIDTH * WIDTH)), b = column / WIDTH, c = column % WIDTH;
        const int y = wrapped(nodes[point_count + p] + b, size_y);
        const int x = wrapped(nodes[2 * point_count + p] + c, size_x);
        const REAL weight = shares[p] *
            polynomial(coefficients, TERMS, b, arguments[point_count + p]) *
            polynomial(coefficients, TERMS, c, arguments[2 * point_count + p]);
        const REAL s = arguments[p];
        for (int a = 0; a < WIDTH; a++) {
            const int z = wrapped(nodes[p] + a, size_z);
            const REAL here = weight * polynomial(coefficients, TERMS, a, s) * (REAL)STEPS_A_UNIT;
            for (int k = 0; k < components; k++) {
                const long long plane = (long long)k * size_z + z;
                // Two's complement: adding a negative number as an unsigned one is the same.
                const long long steps = (long long)rint(masses[k * face_count + face_of[p]] * here);
                atomicAdd(&grids[(plane * size_y + y) * size_x + x], (unsigned long long)steps);
            }
        }
    }
}

// Turn the sums into numbers.
extern "C" __global__ void settle(
    long long count, const REAL *total, const unsigned long long *sums, REAL *grids) {
    EACH(i, count) grids[i] = (REAL)(long long)sums[i] * (REAL)(1.0 / STEPS_A_UNIT) * total[0];
}
