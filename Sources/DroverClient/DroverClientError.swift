/// What can go wrong on the client's side, and what to do about it.

/// Why a client cannot do what was asked.
public enum DroverClientError: Error, Sendable, Equatable, CustomStringConvertible {
    /// The text is not an address this client can use; what is wrong with it.
    case badAddress(String, problem: String)
    /// No connection; `reason` is the system's.
    case cannotReach(String, reason: String)
    /// The other side spoke something else than HTTP or WebSocket as agreed.
    case badReply(String, problem: String)
    /// No answer in time.
    case timeout(String, milliseconds: Int)
    /// A file could not be read; `reason` is the system's.
    case cannotRead(String, reason: String)
    /// A file's content is not what it should be; line and column count from 1, column 0 is the whole line.
    case badFile(String, line: Int, column: Int, problem: String)
    /// Options that do not fit together.
    case badOption(String)

    /// One line that says what happened and what to do next.
    public var description: String {
        switch self {
        case .badAddress(let text, let problem):
            "`\(text)` is not a gateway's address: \(problem). Write it as http://127.0.0.1:8080"
        case .cannotReach(let address, let reason):
            "cannot reach \(address): \(reason). Start the gateway with `drover serve` or name another address"
        case .badReply(let address, let problem):
            "\(address) gave an unexpected answer: \(problem). Check that the address is a Drover gateway's"
        case .timeout(let address, let milliseconds):
            "\(address) did not answer within \(milliseconds) ms. Check the gateway's log and load"
        case .cannotRead(let path, let reason):
            "cannot read \(path): \(reason). Check the file's name and permissions"
        case .badFile(let path, let line, let column, let problem):
            column > 0 ? "\(path):\(line):\(column): \(problem)" : "\(path):\(line): \(problem)"
        case .badOption(let problem): problem
        }
    }
}
