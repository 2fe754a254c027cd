/* main - hand over to the command that was named. */
int main(void)
{
    return 0;
}
