// Small matrices in float64, for what is folded anew for each frame.
#include "device.cuh"

// out = a·b: [matrices, rows, inner]·[matrices, inner, columns]; blockIdx.x is a tile of out, blockIdx.y a matrix.
// `out` is contiguous, a and b have any strides. Every sum is in the order of its terms.
KERNEL(SIDE* SIDE, 1)
product(const double* a, const double* b, double* out, int a_matrix, int a_row, int a_column, int b_matrix, int b_row,
        int b_column, int rows, int inner, int columns) {
    double* left = (double*)shared_memory;  // [SIDE, SIDE]
    double* right = left + SIDE * SIDE;     // [SIDE, SIDE]
    const int across = (columns + SIDE - 1) / SIDE, y = threadIdx.x / SIDE, x = threadIdx.x % SIDE;
    const int row = blockIdx.x / across * SIDE + y, column = blockIdx.x % across * SIDE + x;
    a += (long long)blockIdx.y * a_matrix, b += (long long)blockIdx.y * b_matrix;
    double sum = 0;
    for (int first = 0; first < inner; first += SIDE) {
        const int k = first + x, l = first + y;
        left[y * SIDE + x] = row < rows && k < inner ? a[(long long)row * a_row + (long long)k * a_column] : 0;
        right[y * SIDE + x] =
            l < inner && column < columns ? b[(long long)l * b_row + (long long)column * b_column] : 0;
        barrier();
        for (int i = 0; i < SIDE; i++) sum += left[y * SIDE + i] * right[i * SIDE + x];
        barrier();  // all are done with these tiles
    }
    if (row < rows && column < columns) out[((long long)blockIdx.y * rows + row) * columns + column] = sum;
}
