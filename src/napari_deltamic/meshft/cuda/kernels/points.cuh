// Points on the faces of a mesh, and the kernel that spreads them over the grid's nodes.

// The quadrature rules: coordinates (rules, 3, most), weights (rules, most), counts (rules,).
struct Rules {
    int most;
    const double *points, *weights;
    const long long *counts;
};

// Barycentric coordinates of the corners of one part of a face whose edges are cut in `cuts`. Row i,
// counted from corner 0, holds 2 i + 1 parts that point up and down in turn.
__device__ inline void part_corners(long long part, int cuts, double corners[3][3]) {
    long long row = (long long)sqrt((double)part);
    while (row * row > part) row--;
    while ((row + 1) * (row + 1) <= part) row++;
    const long long place = part - row * row, column = place / 2;
    const bool down = place % 2;
    for (int j = 0; j < 3; j++) {
        const long long level = j == 0 ? row : down && j == 2 ? row : row + 1;
        const long long along = j == 0 ? column : down ? column + 1 : column + j - 1;
        corners[j][0] = 1.0 - (double)level / cuts;
        corners[j][1] = (double)(level - along) / cuts;
        corners[j][2] = (double)along / cuts;
    }
}

// Fill the barycentric coordinates of point `q` of a face; return its weight.
__device__ inline double quadrature_point(
    const Rules &rules, int rule, int cuts, long long q, double at[3]) {
    const long long count = rules.counts[rule], part = q / count, point = q % count;
    double corners[3][3];
    part_corners(part, cuts, corners);
    for (int i = 0; i < 3; i++) {
        at[i] = 0.0;
        for (int j = 0; j < 3; j++)
            at[i] += rules.points[(rule * 3 + j) * (long long)rules.most + point] * corners[j][i];
    }
    return rules.weights[rule * (long long)rules.most + point] / ((double)cuts * cuts);
}

// The polynomial of one node at s, ascending powers, (terms, WIDTH).
__device__ inline REAL polynomial(const REAL *coefficients, int terms, int node, REAL s) {
    REAL value = coefficients[(terms - 1) * WIDTH + node];
    for (int power = terms - 2; power >= 0; power--)
        value = value * s + coefficients[power * WIDTH + node];
    return value;
}

__device__ inline int wrapped(int node, int size) { return node < size ? node : node - size; }
