# Prints FILE:LINE NAME LENGTH for every function (a brace in column 0).
FNR == 1 { open = 0; name = "" }
/^[a-z_A-Z][a-zA-Z0-9_]*\(/ { split($0, w, "("); name = w[1]; if (name ~ /^ATF_TC_BODY/) { split(w[2], v, ","); name = v[1] } }
/^\{/ { open = FNR }
/^\}/ && open { printf "%s:%d %s %d\n", FILENAME, open, name, FNR - open + 1; open = 0 }
