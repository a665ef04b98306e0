/// One axis of a chart: which values it spans, where its ticks are, and where a value lies on it.
import Glibc

struct Axis {
    enum Scale {
        /// From zero.
        case linear
        case logarithmic
        /// Percentiles, spread by how rare what lies beyond them is: 90, 99, 99.9 stand equally far apart.
        case percentile
    }

    let scale: Scale
    let ticks: [Double]
    private let low: Double
    private let high: Double

    /// Logarithmic where the values span a decade and none is zero, unless said otherwise.
    init(_ values: [Double], scale: Scale? = nil) {
        let least = values.min() ?? 0
        let most = max(values.max() ?? 1, 1e-9)
        self.scale = scale ?? (least > 0 && most / least >= 10 ? .logarithmic : .linear)
        switch self.scale {
        case .linear:
            let step = Self.step(most)
            let count = (most / step).rounded(.up)
            ticks = (0...Int(count)).map { Double($0) * step }
            (low, high) = (0, count * step)
        case .logarithmic:
            let least = max(least, most * 1e-9)
            low = Self.rounded(least, down: true)
            high = max(Self.rounded(most, down: false), low * 2)
            ticks = Self.logarithmicTicks(low, high)
        case .percentile:
            // Half and half lie one place apart: 50, 75, 90, 99 …
            ticks = [50, 90, 99, 99.9, 99.99, 99.999].filter { $0 <= most }
            (low, high) = (Self.rarity(50), max(Self.rarity(min(most, 99.999)), Self.rarity(90)))
        }
    }

    /// 0 at the axis' beginning, 1 at its end.
    func position(_ value: Double) -> Double {
        switch scale {
        case .linear: (value - low) / (high - low)
        case .logarithmic: log(max(value, low) / low) / log(high / low)
        case .percentile: (Self.rarity(value) - low) / (high - low)
        }
    }

    func label(_ tick: Double) -> String {
        if scale == .percentile || tick == 0 { return Self.plain(tick) }
        return tick >= 1_000 ? grouped(decimals(tick, 0)) : Self.plain(tick)
    }

    /// How many decades lie beyond a percentile: 1 at 90, 3 at 99.9.
    private static func rarity(_ percentile: Double) -> Double { -log10(max(1e-9, 1 - percentile / 100)) }

    /// About five steps of 1, 2, 2.5 or 5 × 10^n.
    private static func step(_ most: Double) -> Double {
        let unit = pow(10, floor(log10(most / 5)))
        return ([1, 2, 2.5, 5, 10].first { $0 * unit >= most / 5.000_001 } ?? 10) * unit
    }

    /// To 1, 2 or 5 × 10^n.
    private static func rounded(_ value: Double, down: Bool) -> Double {
        let unit = pow(10, floor(log10(value)))
        let steps = [1.0, 2, 5, 10].map { $0 * unit }
        return down
            ? steps.last { $0 <= value * 1.000_001 } ?? unit : steps.first { $0 >= value * 0.999_999 } ?? unit * 10
    }

    /// 1, 2 and 5 of each decade while that is few enough, then 1 of each.
    private static func logarithmicTicks(_ low: Double, _ high: Double) -> [Double] {
        let decades = Int(floor(log10(low * 1.000_001)))...Int(ceil(log10(high * 0.999_999)))
        let steps = decades.count <= 4 ? [1.0, 2, 5] : [1.0]
        return decades.flatMap { decade in steps.map { $0 * pow(10, Double(decade)) } }
            .filter { $0 >= low * 0.999 && $0 <= high * 1.001 }
    }

    /// As few decimals as show it.
    private static func plain(_ value: Double) -> String {
        for count in 0...6 where abs((Double(decimals(value, count)) ?? .infinity) - value) < abs(value) * 1e-6 + 1e-12
        {
            return decimals(value, count)
        }
        return "\(value)"
    }
}
