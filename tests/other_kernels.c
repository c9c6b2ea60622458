/* Another machine's arithmetic, to be loaded before NumPy: products that add their terms from the last to the first, and
 * elementary functions that differ in the last digit. Both are as right as what they stand in for, and exact where that
 * is exact. Built and loaded by tests/machines.py, for NumPy's wheels on Linux; see there. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef int64_t n_t;
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, UPPER = 121 };

#define PRODUCTS(P, T)                                                                                                \
    T scipy_cblas_##P##dot64_(n_t n, const T *x, n_t dx, const T *y, n_t dy) {                                         \
        T sum = 0;                                                                                                     \
        x += dx < 0 ? (1 - n) * dx : 0, y += dy < 0 ? (1 - n) * dy : 0;                                                \
        for (n_t k = n; k-- > 0;) sum += x[k * dx] * y[k * dy];                                                        \
        return sum;                                                                                                    \
    }                                                                                                                  \
    void scipy_cblas_##P##gemm64_(int order, int ta, int tb, n_t m, n_t n, n_t k, T alpha, const T *a, n_t lda,        \
                                  const T *b, n_t ldb, T beta, T *c, n_t ldc) {                                        \
        int a_rows = (ta == NO_TRANSPOSE) == (order == ROW_MAJOR), b_rows = (tb == NO_TRANSPOSE) == (order == ROW_MAJOR);\
        n_t ai = a_rows ? lda : 1, ak = a_rows ? 1 : lda, bk = b_rows ? ldb : 1, bj = b_rows ? 1 : ldb;               \
        n_t ci = order == ROW_MAJOR ? ldc : 1, cj = order == ROW_MAJOR ? 1 : ldc;                                      \
        for (n_t i = 0; i < m; i++)                                                                                    \
            for (n_t j = 0; j < n; j++) {                                                                              \
                T sum = 0, *to = c + i * ci + j * cj;                                                                  \
                for (n_t t = k; t-- > 0;) sum += a[i * ai + t * ak] * b[t * bk + j * bj];                              \
                *to = alpha * sum + (beta == 0 ? 0 : beta * *to);                                                      \
            }                                                                                                          \
    }                                                                                                                  \
    void scipy_cblas_##P##gemv64_(int order, int ta, n_t m, n_t n, T alpha, const T *a, n_t lda, const T *x, n_t dx,   \
                                  T beta, T *y, n_t dy) {                                                              \
        int plain = ta == NO_TRANSPOSE;                                                                                \
        n_t rows = plain ? m : n, columns = plain ? n : m;                                                             \
        n_t ai = plain == (order == ROW_MAJOR) ? lda : 1, ak = plain == (order == ROW_MAJOR) ? 1 : lda;                \
        x += dx < 0 ? (1 - columns) * dx : 0, y += dy < 0 ? (1 - rows) * dy : 0;                                       \
        for (n_t i = 0; i < rows; i++) {                                                                               \
            T sum = 0;                                                                                                 \
            for (n_t k = columns; k-- > 0;) sum += a[i * ai + k * ak] * x[k * dx];                                     \
            y[i * dy] = alpha * sum + (beta == 0 ? 0 : beta * y[i * dy]);                                              \
        }                                                                                                              \
    }                                                                                                                  \
    void scipy_cblas_##P##syrk64_(int order, int uplo, int ta, n_t n, n_t k, T alpha, const T *a, n_t lda, T beta,     \
                                  T *c, n_t ldc) {                                                                     \
        int rows = (ta == NO_TRANSPOSE) == (order == ROW_MAJOR);                                                       \
        n_t ai = rows ? lda : 1, ak = rows ? 1 : lda;                                                                  \
        for (n_t i = 0; i < n; i++)                                                                                    \
            for (n_t j = uplo == UPPER ? i : 0; j < (uplo == UPPER ? n : i + 1); j++) {                                \
                T sum = 0, *to = order == ROW_MAJOR ? c + i * ldc + j : c + j * ldc + i;                               \
                for (n_t t = k; t-- > 0;) sum += a[i * ai + t * ak] * a[j * ai + t * ak];                              \
                *to = alpha * sum + (beta == 0 ? 0 : beta * *to);                                                      \
            }                                                                                                          \
    }

PRODUCTS(s, float)
PRODUCTS(d, double)

/* Whether NumPy calls: Python's own math module keeps what it has. */
static int of_numpy(void *caller) {
    Dl_info found;
    return dladdr(caller, &found) && found.dli_fname && strstr(found.dli_fname, "_multiarray_umath");
}

/* The next number up or down, by the digits of the number itself, and odd in it; whole numbers stay. */
#define NUDGED(T, NAME, NEXT)                                                                                         \
    static T NAME(T y) {                                                                                               \
        uint64_t bits = 0;                                                                                             \
        T size = y < 0 ? -y : y;                                                                                       \
        if (!isfinite(y) || y == rint(y)) return y;                                                                    \
        memcpy(&bits, &size, sizeof size);                                                                             \
        bits *= 0x9E3779B97F4A7C15u;                                                                                   \
        return NEXT(y, bits >> 63 ? y + y : 0);                                                                        \
    }

NUDGED(double, nudged, nextafter)
NUDGED(float, nudgedf, nextafterf)

#define FUNCTION(T, NAME, NUDGE)                                                                                      \
    T NAME(T x) {                                                                                                      \
        static T (*real)(T);                                                                                           \
        if (!real) real = (T(*)(T))dlsym(RTLD_NEXT, #NAME);                                                            \
        T y = real(x);                                                                                                 \
        return of_numpy(__builtin_return_address(0)) ? NUDGE(y) : y;                                                   \
    }
#define FUNCTIONS(NAME) FUNCTION(double, NAME, nudged) FUNCTION(float, NAME##f, nudgedf)

FUNCTIONS(exp)
FUNCTIONS(expm1)
FUNCTIONS(log)
FUNCTIONS(log1p)
FUNCTIONS(tanh)
FUNCTIONS(sin)
FUNCTIONS(cos)
FUNCTIONS(tan)
FUNCTIONS(sinh)
FUNCTIONS(cosh)

#define POWER(T, NAME, NUDGE)                                                                                         \
    T NAME(T x, T y) {                                                                                                 \
        static T (*real)(T, T);                                                                                        \
        if (!real) real = (T(*)(T, T))dlsym(RTLD_NEXT, #NAME);                                                         \
        T z = real(x, y);                                                                                              \
        return of_numpy(__builtin_return_address(0)) ? NUDGE(z) : z;                                                   \
    }
POWER(double, pow, nudged)
POWER(float, powf, nudgedf)
