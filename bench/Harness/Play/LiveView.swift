/// How a run goes, on standard error: four lines that are redrawn once a second on a terminal, a plain line every five
/// seconds elsewhere. It is drawn from the measuring loop, so it costs one write.
import CLinux
import Glibc

final class LiveView {
    private let title: String
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var drawnLines = 0
    private var lastLine: Double?

    init(title: String) { self.title = title }

    func show(_ progress: LoadProgress) {
        if isTerminal {
            let lines = Self.lines(progress, title: title).map { $0.prefix(Self.width) + "\u{1B}[K" }
            write(home + lines.joined(separator: "\n") + "\n")
            drawnLines = lines.count
        } else if lastLine.map({ progress.elapsed - $0 >= 4.5 }) ?? true {
            lastLine = progress.elapsed
            write(Self.lines(progress, title: title).filter { !$0.isEmpty }.joined(separator: " · ") + "\n")
        }
    }

    /// Removes what is drawn.
    func finish() {
        if drawnLines > 0 { write(home + "\u{1B}[J") }
        drawnLines = 0
    }

    /// A line that stays, or is drawn over by the first state.
    func say(_ text: String) { write(text + "\n") }

    private var home: String { drawnLines > 0 ? "\u{1B}[\(drawnLines)A\r" : "" }

    /// Four lines: the course, the devices, the viewers, what disturbs the run. The last ones may be empty.
    static func lines(_ progress: LoadProgress, title: String) -> [String] {
        let sockets = "\(progress.openSockets) of \(progress.sockets) sockets"
        guard progress.phase != .opening else { return ["\(title): opening, \(sockets)", "", "", ""] }
        let done = progress.total > 0 ? min(1, progress.elapsed / progress.total) : 0
        let filled = Int((done * 24).rounded(.down))
        let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
        let time = "\(decimals(progress.elapsed, 0)) of \(decimals(progress.total, 0)) s"
        let devices =
            "\(decimals(progress.pingsPerSecond, 0)) pings/s, \(pair("ack", progress.acknowledged)), "
            + "generator \(decimals(progress.lag, 1)) ms late"
        let viewers =
            progress.deliveriesPerSecond > 0
            ? "\(decimals(progress.deliveriesPerSecond, 0)) deliveries/s, \(pair("viewer", progress.viewed))" : ""
        return ["\(bar) \(time), \(progress.phase.rawValue), \(sockets)", devices, viewers, progress.disturbance ?? ""]
    }

    private static func pair(_ name: String, _ latency: (p50: Double, p99: Double)) -> String {
        "\(name) p50 \(decimals(latency.p50, 1)) p99 \(decimals(latency.p99, 1)) ms"
    }

    /// Columns of the terminal; 80 where it does not say.
    private static var width: Int {
        var size = winsize()
        return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
    }

    private func write(_ text: String) {
        var text = text
        text.withUTF8 { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
