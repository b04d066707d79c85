struct Complex {
    REAL real, imaginary;
};
