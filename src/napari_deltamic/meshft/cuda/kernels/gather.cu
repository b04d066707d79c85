// From the grid back to the triangles: the exact derivative of spreading.

// The field and its gradient (per grid step) at each point: (4, points), z, y, x, value.
extern "C" __global__ void gather(
    long long count, const int *nodes, const REAL *arguments, const REAL *coefficients,
    const REAL *derivative, int size_z, int size_y, int size_x, const REAL *grid, REAL *fields) {
    EACH(p, count) {
        REAL weights_y[WIDTH], slopes_y[WIDTH], weights_x[WIDTH], slopes_x[WIDTH];
        const REAL s_z = arguments[p], s_y = arguments[count + p], s_x = arguments[2 * count + p];
        for (int c = 0; c < WIDTH; c++) {
            weights_y[c] = polynomial(coefficients, TERMS, c, s_y);
            slopes_y[c] = polynomial(derivative, TERMS - 1, c, s_y);
            weights_x[c] = polynomial(coefficients, TERMS, c, s_x);
            slopes_x[c] = polynomial(derivative, TERMS - 1, c, s_x);
        }
        REAL by_z = 0, by_y = 0, by_x = 0, value = 0;
        for (int a = 0; a < WIDTH; a++) {
            const long long plane = (long long)wrapped(nodes[p] + a, size_z) * size_y;
            REAL plane_y = 0, plane_x = 0, plane_value = 0;
            for (int b = 0; b < WIDTH; b++) {
                const long long row = (plane + wrapped(nodes[count + p] + b, size_y)) * size_x;
                REAL line = 0, line_x = 0;
                for (int c = 0; c < WIDTH; c++) {
                    const REAL here = grid[row + wrapped(nodes[2 * count + p] + c, size_x)];
                    line += weights_x[c] * here;
                    line_x += slopes_x[c] * here;
                }
                plane_y += slopes_y[b] * line;
                plane_x += weights_y[b] * line_x;
                plane_value += weights_y[b] * line;
            }
            const REAL weight = polynomial(coefficients, TERMS, a, s_z);
            by_z += polynomial(derivative, TERMS - 1, a, s_z) * plane_value;
            by_y += weight * plane_y;
            by_x += weight * plane_x;
            value += weight * plane_value;
        }
        fields[p] = by_z;
        fields[count + p] = by_y;
        fields[2 * count + p] = by_x;
        fields[3 * count + p] = value;
    }
}

// Each face's mean field, and what it adds to the gradient of its corners, (F, 3, 3) per um.
// Membrane: area times the averaged gradient, plus the averaged field times the area's own gradient.
// Interior: Hadamard's formula, the field on the face times the face's normal.
extern "C" __global__ void face_gradients(
    long long count, long long point_count, const REAL *fields, const REAL *vertices,
    const long long *faces, const int *rule_of, const int *cuts_of, const long long *first,
    int most, const double *points, const double *weights, const long long *counts,
    const double *grid_scale, int has_membrane, const REAL *membrane, int has_interior,
    const REAL *jump, REAL *means, REAL *corners) {
    const Rules rules = {most, points, weights, counts};
    EACH(f, count) {
        double slopes[3][3] = {}, values[3] = {};
        for (long long p = first[f]; p < first[f + 1]; p++) {
            double at[3];
            const double weight = quadrature_point(rules, rule_of[f], cuts_of[f], p - first[f], at);
            for (int i = 0; i < 3; i++) {
                const double share = weight * at[i];
                for (int d = 0; d < 3; d++) slopes[i][d] += share * fields[d * point_count + p];
                values[i] += share * fields[3 * point_count + p];
            }
        }
        const double mean = values[0] + values[1] + values[2];
        means[f] = (REAL)mean;
        double corner[3][3], edge[3][3], normal[3];
        for (int i = 0; i < 3; i++)
            for (int d = 0; d < 3; d++) corner[i][d] = vertices[3 * faces[3 * f + i] + d];
        for (int i = 0; i < 3; i++)
            for (int d = 0; d < 3; d++) edge[i][d] = corner[(i + 2) % 3][d] - corner[(i + 1) % 3][d];
        for (int d = 0; d < 3; d++) {
            const int y = (d + 1) % 3, x = (d + 2) % 3;
            // Edges 2 and 1 run from corner 0 to 1, and from 2 to 0.
            normal[d] = edge[1][y] * edge[2][x] - edge[1][x] * edge[2][y];
        }
        const double doubled =
            sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2]);
        for (int i = 0; i < 3; i++) {
            for (int d = 0; d < 3; d++) {
                const int y = (d + 1) % 3, x = (d + 2) % 3;
                double found = 0.0;
                if (has_membrane && doubled > 0.0) {
                    const double turned = normal[y] * edge[i][x] - normal[x] * edge[i][y];
                    const double moved = doubled * slopes[i][d] * grid_scale[d];
                    found += membrane[f] * (moved + mean * turned / doubled);
                }
                if (has_interior) found += jump[f] * normal[d] * values[i];
                corners[9 * f + 3 * i + d] = (REAL)(0.5 * found);
            }
        }
    }
}
