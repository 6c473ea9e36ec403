// stands for a program
