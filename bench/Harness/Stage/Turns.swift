/// Runs that are compared take turns: a machine's own speed drifts by a tenth and more within a minute, above all a shared
/// one's, and what is divided by each other must have had the same of it.

enum Turns {
    private static let rounds = 3

    /// Each of `runs` in each of the rounds, a third as long; what each measured in all of them.
    static func take(
        _ options: RunOptions, rounds: Int = rounds, _ runs: [(RunOptions) throws -> Measurement]
    ) throws -> [Measurement] {
        var turn = options
        turn.seconds = max(1, options.seconds / 3)
        turn.warmUp = min(options.warmUp, 1)
        var measured: [Measurement] = []
        for round in 0..<rounds {
            for (index, run) in runs.enumerated() {
                let measurement = try run(turn)
                if round == 0 { measured.append(measurement) } else { measured[index].add(measurement) }
            }
        }
        return measured
    }

    /// How long that takes for one of the runs, with what comes before and behind it.
    static func plannedSeconds(_ options: RunOptions) -> Double {
        Double(rounds) * (max(1, options.seconds / 3) + min(options.warmUp, 1) + 0.7)
    }
}
