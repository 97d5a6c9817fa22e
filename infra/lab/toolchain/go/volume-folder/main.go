// Makes the folder of a new volume, named by VOL_DIR: the only thing that the
// volume provisioner's helper pod has to do, so its image needs no shell and
// no tools. The folder is open to every user because pods run as users of
// their own; nobody but root gets to the folders above it.
package main

import (
	"fmt"
	"os"
)

func main() {
	folder := os.Getenv("VOL_DIR")
	err := os.MkdirAll(folder, 0o755)
	if err == nil {
		err = os.Chmod(folder, 0o777)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "volume-folder:", err)
		os.Exit(1)
	}
}
