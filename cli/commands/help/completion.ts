// `completion <shell>`: a script that lets a shell complete commands, options, choices and paths.
import { type Command, required, usageError } from "../../terminal/command.ts";
import { type CommandTable, completedCommands } from "./complete.ts";
import { bashCompletion } from "./shells/bash.ts";
import { fishCompletion } from "./shells/fish.ts";
import { zshCompletion } from "./shells/zsh.ts";

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };

/** Takes the table as an argument, because the table imports this file. */
export function completion(commands: CommandTable): Command {
  const command: Command = {
    usage: "completion <shell>",
    summary: "print the completion script of bash, zsh or fish",
    example: "hamlet completion bash",
    details: `
bash: hamlet completion bash > ~/.local/share/bash-completion/completions/hamlet
zsh:  hamlet completion zsh > "\${fpath[1]}/_hamlet"
fish: hamlet completion fish > ~/.config/fish/completions/hamlet.fish`,
    choices: () => Object.keys(shells),
    async run(input, { print }) {
      const name = required(command, input, 0, "the shell");
      const script = Object.entries(shells).find(([shell]) => shell === name)?.[1];
      if (!script) throw usageError(command, `there is no completion for ${name}: use bash, zsh or fish`);
      print(
        ...script(await completedCommands(commands))
          .trimEnd()
          .split("\n"),
      );
      return 0;
    },
  };
  return command;
}
