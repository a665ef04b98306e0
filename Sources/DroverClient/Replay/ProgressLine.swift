/// How far a long command is, on standard error: a bar that is redrawn on a terminal, a plain line every few seconds
/// elsewhere.
import EventLoop
import Glibc

/// Writes progress; a new state replaces the one before.
package final class ProgressLine {
    private let isTerminal = isatty(STDERR_FILENO) == 1
    private var lastWritten: Int64 = 0
    private var isDrawn = false

    package init() {}

    /// Five redraws a second are calm; a log needs a line every five seconds.
    private var interval: Int64 { isTerminal ? 200_000 : 5_000_000 }

    /// Shows `text()` and, where `fraction` is known, a bar; does nothing where it is too early for another state.
    package func update(fraction: Double?, _ text: () -> String) {
        let now = SystemClock.monotonicMicroseconds()
        if lastWritten == 0, !isTerminal { lastWritten = now }
        guard now - lastWritten >= interval else { return }
        lastWritten = now
        var line = ""
        if let fraction {
            let width = 24
            let done = Int((min(max(fraction, 0), 1) * Double(width)).rounded(.down))
            if isTerminal {
                line += String(repeating: "█", count: done) + String(repeating: "░", count: width - done) + " "
            }
            line += "\(Int(min(max(fraction, 0), 1) * 100)) %  "
        }
        line += text()
        write(isTerminal ? "\r\u{1B}[K" + line : line + "\n")
        isDrawn = isTerminal
    }

    /// A line of its own that stays.
    public func note(_ text: String) {
        write((isDrawn ? "\r\u{1B}[K" : "") + text + "\n")
        isDrawn = false
    }

    /// Removes the bar.
    package func finish() {
        if isDrawn { write("\r\u{1B}[K") }
        isDrawn = false
    }

    private func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in _ = Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}

/// `12.3` for 12.34: one decimal is what people read.
func oneDecimal(_ value: Double) -> String {
    let tenths = Int64((value * 10).rounded())
    return "\(tenths < 0 ? "-" : "")\(tenths.magnitude / 10).\(tenths.magnitude % 10)"
}
