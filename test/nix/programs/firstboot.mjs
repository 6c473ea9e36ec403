// stub of a program
